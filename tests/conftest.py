"""Small factories. Data that a test is about is spelled out in the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from clusters.models import Cluster
from tests.clouds.aws.fixtures import aws_process, aws_server
from tests.clouds.memory_groups import why_not
from tests.fake_cloud import FakeCloud
from tests.runtimes import kept, lab, runtime  # noqa: F401 - fixtures
from workspaces.models import (
    CloudConfiguration,
    Notebook,
    Organization,
    OrganizationMembership,
    Workspace,
    WorkspaceMembership,
)

if TYPE_CHECKING:
    from tests.clouds.aws_rules import Aws

__all__ = ["aws_process", "aws_server"]  # fixtures of every test

PASSWORD = "correct horse battery staple"


def pytest_report_header() -> list[str]:
    """What this machine does not allow to be tested."""
    reason = why_not()
    return (
        [f"not tested here: OutOfMemory by a real kill of the kernel ({reason})"] if reason else []
    )


@pytest.fixture(autouse=True)
def _plain(settings: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No manifest of static files, a cheap password hash, mail and cache in memory."""
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeCloud:
    fake = FakeCloud(shared_root=tmp_path / "workspaces")
    monkeypatch.setattr("workspaces.services.clouds.cloud_for", lambda provider, settings: fake)
    return fake


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    """The platform has credentials of its own; a customer's account is there too."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAPLATFORM00000000")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the secret of the platform")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    from tests.clouds.aws_rules import running_aws  # moto is slow to load

    with running_aws() as running:
        yield running


@pytest.fixture
def user(db: None) -> Callable[..., User]:
    def make(email: str = "alice@example.org", **fields: Any) -> User:
        from allauth.account.models import EmailAddress

        fields = {"first_name": "Alice", "activated_at": timezone.now(), **fields}
        made = User.objects.create_user(email, PASSWORD, **fields)
        EmailAddress.objects.create(user=made, email=email, verified=True, primary=True)
        return made

    return make


@pytest.fixture
def organization(db: None) -> Organization:
    return Organization.objects.create(name="Acme")


@pytest.fixture
def workspace(organization: Organization, cloud: FakeCloud) -> Workspace:
    configuration = CloudConfiguration.objects.create(
        organization=organization, name="Here", provider="local"
    )
    return Workspace.objects.create(
        organization=organization,
        cloud_configuration=configuration,
        name="Research",
        region="here",
        status=Workspace.Status.READY,
    )


@pytest.fixture
def member(user: Callable[..., User], organization: Organization) -> Callable[..., User]:
    """``member("VIEWER", workspace)`` in a workspace, ``member("OWNER")`` in the organization."""

    def make(role: str, workspace: Workspace | None = None) -> User:
        person = user(f"{role.lower()}-{uuid4().hex[:6]}@example.org")
        in_organization = "MEMBER" if workspace else role
        OrganizationMembership.objects.create(
            organization=organization, user=person, role=in_organization
        )
        if workspace:
            WorkspaceMembership.objects.create(workspace=workspace, user=person, role=role)
        return person

    return make


@pytest.fixture
def signed_in() -> Callable[[User], Client]:
    def make(person: User) -> Client:
        client = Client()
        client.force_login(person, backend="allauth.account.auth_backends.AuthenticationBackend")
        return client

    return make


@pytest.fixture
def cluster(workspace: Workspace) -> Callable[..., Cluster]:
    def make(name: str = "Alpha", **fields: Any) -> Cluster:
        defaults: dict[str, Any] = {
            "instance_type": "c5.large",
            "vcpus_per_node": 2,
            "cores_per_node": 1,
            "memory_mib_per_node": 4096,
            "node_count": 2,
            "bodo_version": "2026.10",
            "created_at": timezone.now(),
        }
        return Cluster.objects.create(workspace=workspace, name=name, **{**defaults, **fields})

    return make


@pytest.fixture
def notebook(workspace: Workspace) -> Callable[..., Notebook]:
    """``notebook(owner, "Lab", state="PAUSED")``; its token is "token of <name>"."""
    from workspaces.secrets import seal

    def make(owner: User | None, name: str = "Lab", **fields: Any) -> Notebook:
        defaults: dict[str, Any] = {
            "workspace": workspace,
            "instance_type": "c5.large",
            "vcpus": 2,
            "cores": 1,
            "memory_mib": 4096,
            "created_at": timezone.now(),
        }
        made = Notebook(owner=owner, name=name, **{**defaults, **fields})
        made.sealed_token = seal(f"token of {name}", context=made.token_context)
        made.save()
        return made

    return make


@pytest.fixture
def run_operations() -> Callable[..., int]:
    """Carry out every due step as a worker would, until nothing is open or ``steps`` are done."""
    from workspaces.models import Operation
    from workspaces.operations.runner import run_step

    def run(steps: int = 100) -> int:
        done = 0
        while done < steps:
            operation = Operation.objects.unsettled().order_by("next_step_at", "pk").first()
            if operation is None:
                break
            Operation.objects.filter(pk=operation.pk).update(next_step_at=timezone.now())
            run_step(operation.pk)
            done += 1
        return done

    return run
