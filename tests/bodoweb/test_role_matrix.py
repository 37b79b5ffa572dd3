"""Every URL of an organization or workspace, asked by every role, a stranger and nobody (K13, K14).

The list comes from the URLconf itself: a new page is in the test before anybody thinks of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from accounts.models import User
from clusters.models import Cluster
from jobs.models import Job
from workspaces.models import (
    CloudConfiguration,
    CloudDraft,
    Invitation,
    Notebook,
    OrganizationMembership,
    Workspace,
    WorkspaceMembership,
)
from workspaces.permissions import ORGANIZATION_ACTIONS, WORKSPACE_ACTIONS


@dataclass(frozen=True)
class Address:
    route: str
    action: str

    def url(self, values: dict[str, UUID]) -> str:
        path = self.route
        for name, value in values.items():
            path = path.replace(f"<uuid:{name}>", str(value))
        assert "<" not in path, f"the matrix knows no value for {path}"
        return f"/{path}"


def _walk(patterns: list[URLPattern | URLResolver], prefix: str = "") -> Iterator[Address]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, route)
        elif getattr(pattern.callback, "action", "") in {
            **ORGANIZATION_ACTIONS,
            **WORKSPACE_ACTIONS,
        }:
            yield Address(route, pattern.callback.action)


ADDRESSES = list(_walk(get_resolver().url_patterns))
IN_ORGANIZATION = [a for a in ADDRESSES if a.action in ORGANIZATION_ACTIONS]
IN_WORKSPACE = [a for a in ADDRESSES if a.action in WORKSPACE_ACTIONS]


@pytest.fixture
def values(
    workspace: Workspace,
    cluster: Callable[..., Cluster],
    notebook: Callable[..., Notebook],
    member: Callable[..., User],
    settings: Any,
) -> dict[str, UUID]:
    settings.PROVIDERS = ["aws", "local"]
    aws = {**settings.CLOUD_SETTINGS["aws"], "platform_account_id": "123456789012"}
    settings.CLOUD_SETTINGS = {**settings.CLOUD_SETTINGS, "aws": aws}
    CloudConfiguration.objects.update(provider="aws")
    made = cluster("Alpha", state="RUNNING")
    job = Job.objects.create(
        workspace=workspace,
        cluster=made,
        name="Nightly",
        command="ex.py",
        source_url="https://git.example.org/x",
        created_at=timezone.now(),
    )
    invitation = Invitation.objects.create(
        organization=workspace.organization,
        workspace=workspace,
        email="grace@example.org",
        role="VIEWER",
        created_at=timezone.now(),
        expires_at=timezone.now() + timedelta(days=7),
    )
    draft = CloudDraft.objects.create(
        organization=workspace.organization, author=member("ADMIN"), provider="aws"
    )
    return {
        "organization": workspace.organization.uuid,
        "workspace": workspace.uuid,
        "configuration": workspace.cloud_configuration.uuid,
        "draft": draft.uuid,
        "cluster": made.uuid,
        "job": job.uuid,
        "notebook": notebook(None, "Lab", state="RUNNING").uuid,
        "member": member("MEMBER", workspace).uuid,
        "invitation": invitation.uuid,
    }


def _ids(address: Address) -> str:
    return f"{address.route} ({address.action})"


def _codes(client: Client, address: Address, values: dict[str, UUID]) -> set[int]:
    url = address.url(values)
    return {client.get(url).status_code, client.post(url).status_code}


def _with_notebook(person: User) -> User:
    """The notebook is theirs: what the roles may do with another's is a test of its own."""
    Notebook.objects.update(owner=person)
    return person


@pytest.mark.parametrize("role", OrganizationMembership.Role.values)
@pytest.mark.parametrize("address", IN_ORGANIZATION, ids=_ids)
def test_organization_role(
    address: Address,
    role: str,
    values: dict[str, UUID],
    member: Callable[..., User],
    signed_in: Callable[[User], Client],
) -> None:
    """K13."""
    codes = _codes(signed_in(member(role)), address, values)

    if role in ORGANIZATION_ACTIONS[address.action]:
        assert not codes & {403, 404, 500}
    else:
        assert codes == {403}


@pytest.mark.parametrize("role", WorkspaceMembership.Role.values)
@pytest.mark.parametrize("address", IN_WORKSPACE, ids=_ids)
def test_workspace_role(
    address: Address,
    role: str,
    values: dict[str, UUID],
    workspace: Workspace,
    member: Callable[..., User],
    signed_in: Callable[[User], Client],
) -> None:
    """K13, F022."""
    codes = _codes(signed_in(_with_notebook(member(role, workspace))), address, values)

    if role in WORKSPACE_ACTIONS[address.action]:
        assert not codes & {403, 404, 500}
    else:
        assert codes == {403}


@pytest.mark.parametrize("role", ["BILLING", "MEMBER"])
@pytest.mark.parametrize("address", IN_WORKSPACE, ids=_ids)
def test_member_of_the_organization_alone_sees_no_workspace(
    address: Address,
    role: str,
    values: dict[str, UUID],
    member: Callable[..., User],
    signed_in: Callable[[User], Client],
) -> None:
    """K14."""
    assert _codes(signed_in(member(role)), address, values) == {404}


@pytest.mark.parametrize("role", ["OWNER", "ADMIN"])
@pytest.mark.parametrize("address", IN_WORKSPACE, ids=_ids)
def test_managers_of_the_organization_manage_its_workspaces(
    address: Address,
    role: str,
    values: dict[str, UUID],
    member: Callable[..., User],
    signed_in: Callable[[User], Client],
) -> None:
    """K13."""
    client = signed_in(_with_notebook(member(role)))

    assert not _codes(client, address, values) & {403, 404, 500}


@pytest.mark.parametrize("address", ADDRESSES, ids=_ids)
def test_stranger_gets_404(
    address: Address,
    values: dict[str, UUID],
    user: Callable[..., User],
    signed_in: Callable[[User], Client],
) -> None:
    """K14, F012."""
    assert _codes(signed_in(user("mallory@example.org")), address, values) == {404}


@pytest.mark.parametrize("address", ADDRESSES, ids=_ids)
def test_nobody_is_sent_to_the_sign_in_page(address: Address, values: dict[str, UUID]) -> None:
    response = Client().get(address.url(values))

    assert response.status_code == 302
    assert response.url.startswith("/accounts/login/")  # type: ignore[attr-defined]


@pytest.mark.parametrize("address", ADDRESSES, ids=_ids)
def test_unknown_id_is_404(
    address: Address,
    values: dict[str, UUID],
    member: Callable[..., User],
    signed_in: Callable[[User], Client],
) -> None:
    scope = "workspace" if address.action in WORKSPACE_ACTIONS else "organization"

    codes = _codes(signed_in(member("OWNER")), address, {**values, scope: uuid4()})

    assert codes == {404}


@pytest.mark.parametrize("kind", ["cluster", "job", "notebook", "member", "invitation"])
def test_things_of_another_workspace_are_404(
    kind: str,
    values: dict[str, UUID],
    workspace: Workspace,
    member: Callable[..., User],
    signed_in: Callable[[User], Client],
) -> None:
    """K14: right in one's own workspace is none in the next."""
    other = Workspace.objects.create(
        organization=workspace.organization,
        cloud_configuration=workspace.cloud_configuration,
        name="Other",
        region="here",
        status="READY",
    )
    client = signed_in(member("ADMIN", other))
    addresses = [a for a in IN_WORKSPACE if f"<uuid:{kind}>" in a.route]

    codes = set().union(
        *(_codes(client, a, {**values, "workspace": other.uuid}) for a in addresses)
    )

    assert addresses
    assert codes <= {404, 405}
    assert 404 in codes
