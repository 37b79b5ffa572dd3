"""What the selector in JupyterLab is told, and what it may ask for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from accounts.models import User
from clusters.leases import lease_take
from clusters.models import Cluster, NotebookAttachment
from clusters.notebook_routes import ROUTES
from tests.fake_cloud import FakeCloud
from workspaces.models import (
    CloudConfiguration,
    Notebook,
    Operation,
    Organization,
    OrganizationMembership,
    Workspace,
    WorkspaceMembership,
)
from workspaces.notebooks.access import Visit

Ask = Callable[..., tuple[int, dict[str, Any]]]
POSTS = ("attach", "detach", "resume")


@pytest.fixture
def ada(member: Callable[..., User], workspace: Workspace) -> User:
    return member("MEMBER", workspace)


@pytest.fixture
def notebook(workspace: Workspace, ada: User, cloud: FakeCloud) -> Notebook:
    made = Notebook.objects.create(
        workspace=workspace,
        owner=ada,
        name="My Notebook",
        instance_type="c5.large",
        vcpus=2,
        cores=1,
        memory_mib=4096,
        state="RUNNING",
        created_at=timezone.now(),
    )
    cloud.notebooks.add(made.uuid)
    return made


@pytest.fixture
def alpha(cluster: Callable[..., Cluster], cloud: FakeCloud) -> Cluster:
    made = cluster("Alpha", state="RUNNING")
    cloud.clusters.add(made.uuid)
    return made


@pytest.fixture
def ask(notebook: Notebook, ada: User) -> Ask:
    def send(name: str, cluster: object = None, *, method: str = "") -> tuple[int, dict[str, Any]]:
        body = {} if cluster is None else {"cluster": str(cluster)}
        usual = "GET" if name == "clusters" else "POST"
        return ROUTES[f"/_bodoweb/{name}"](
            Visit(notebook, ada, "MEMBER", ""), method or usual, body
        )

    return send


def _listed(ask: Ask) -> dict[str, dict[str, Any]]:
    status, answer = ask("clusters")
    assert status == 200
    return {row["name"]: row for row in answer["clusters"]}


def test_list_names_version_state_and_the_way_to_the_page(
    ask: Ask, alpha: Cluster, workspace: Workspace, settings: Any
) -> None:
    """F120, V21."""
    settings.PUBLIC_URL = "https://platform.example.org"

    _, answer = ask("clusters")

    assert answer["clusters"] == [
        {
            "uuid": str(alpha.uuid),
            "name": "Alpha",
            "bodo_version": "2026.10",
            "state": "RUNNING",
            "reason": "",
            "kernel": f"bodo-{alpha.uuid}",
            "is_attached": False,
            "can_attach": True,
            "why_not": "",
            "can_resume": False,
        }
    ]
    assert answer["preferred"] is None
    assert answer["url"] == f"https://platform.example.org/w/{workspace.uuid}/clusters/"


def test_list_holds_this_workspace_alone(
    ask: Ask, alpha: Cluster, cluster: Callable[..., Cluster], organization: Organization
) -> None:
    configuration = CloudConfiguration.objects.get()
    foreign = Workspace.objects.create(
        organization=organization,
        cloud_configuration=configuration,
        name="Foreign",
        region="here",
        status="READY",
    )
    cluster("Theirs", state="RUNNING")
    Cluster.objects.filter(name="Theirs").update(workspace=foreign)

    assert list(_listed(ask)) == ["Alpha"]


def test_list_says_what_is_attached_and_what_was_chosen_at_the_start(
    ask: Ask, alpha: Cluster, notebook: Notebook
) -> None:
    notebook.preferred_cluster = alpha.uuid

    ask("attach", alpha.uuid)
    _, answer = ask("clusters")

    assert answer["clusters"][0]["is_attached"] is True
    assert answer["preferred"] == str(alpha.uuid)


def test_list_offers_to_resume_what_is_paused(ask: Ask, cluster: Callable[..., Cluster]) -> None:
    cluster("Asleep", state="PAUSED")

    row = _listed(ask)["Asleep"]

    assert (row["can_attach"], row["can_resume"]) == (False, True)
    assert row["why_not"] == "Asleep is PAUSED. Resume it to attach this notebook."


def test_list_says_that_a_job_has_it(ask: Ask, alpha: Cluster) -> None:
    now = timezone.now()
    until = now + timedelta(hours=1)
    lease_take(cluster=alpha, holder_kind="job", holder_uuid=uuid4(), now=now, expires_at=until)

    row = _listed(ask)["Alpha"]

    assert row["can_attach"] is False
    assert row["why_not"].startswith("A job uses Alpha now")


def test_list_takes_as_many_queries_for_ten_as_for_one(
    ask: Ask, alpha: Cluster, cluster: Callable[..., Cluster], django_assert_max_num_queries: Any
) -> None:
    for number in range(9):
        cluster(f"C {number}", state="PAUSED")

    with django_assert_max_num_queries(8):
        assert len(_listed(ask)) == 10


def test_attach_and_detach(ask: Ask, alpha: Cluster, cloud: FakeCloud) -> None:
    attached = ask("attach", alpha.uuid)
    there = dict(cloud.attached)
    detached = ask("detach", alpha.uuid)

    assert attached == (200, {"kernel": f"bodo-{alpha.uuid}", "name": "Alpha"})
    assert len(there) == 1
    assert detached == (200, {})
    assert not cloud.attached


def test_refusal_is_told_with_its_sentence(ask: Ask, cluster: Callable[..., Cluster]) -> None:
    stopped = cluster("Off", state="STOPPED")

    status, answer = ask("attach", stopped.uuid)

    assert status == 409
    assert answer == {"message": "Off is STOPPED. Start it on its page first."}


def test_resume_is_asked_once(ask: Ask, cluster: Callable[..., Cluster]) -> None:
    asleep = cluster("Asleep", state="PAUSED")

    first, second = ask("resume", asleep.uuid), ask("resume", asleep.uuid)

    assert (first[0], second[0]) == (202, 202)
    assert Operation.objects.filter(kind="cluster.resume").count() == 1
    asleep.refresh_from_db()
    assert asleep.state == "INITIALIZING"


def test_what_can_not_resume_says_so(ask: Ask, cluster: Callable[..., Cluster]) -> None:
    failed = cluster("Broken", state="FAILED")

    status, answer = ask("resume", failed.uuid)

    assert status == 409
    assert "only a PAUSED cluster can resume" in answer["message"]


@pytest.mark.parametrize("name", POSTS)
@pytest.mark.parametrize("which", ["another workspace's", "a job's own", "none", "no uuid", "list"])
def test_other_clusters_are_not_there(
    ask: Ask,
    alpha: Cluster,
    organization: Organization,
    cloud: FakeCloud,
    name: str,
    which: str,
) -> None:
    named: object = alpha.uuid
    if which == "another workspace's":
        foreign = Workspace.objects.create(
            organization=organization,
            cloud_configuration=CloudConfiguration.objects.get(),
            name="Foreign",
            region="here",
            status="READY",
        )
        Cluster.objects.update(workspace=foreign, state="PAUSED" if name == "resume" else "RUNNING")
    elif which == "a job's own":
        Cluster.objects.update(is_dedicated=True)
    else:
        named = {"none": None, "no uuid": "../etc", "list": ["x"]}[which]

    status, answer = ask(name, named)

    assert status == 404
    assert "no such cluster" in answer["message"]
    assert not cloud.attached
    assert not Operation.objects.exists()


@pytest.mark.parametrize(
    ("role", "codes"),
    [
        ("ADMIN", {"clusters": 200, "attach": 200, "detach": 200, "resume": 202}),
        ("MEMBER", {"clusters": 200, "attach": 200, "detach": 200, "resume": 202}),
        ("VIEWER", {"clusters": 200, "attach": 403, "detach": 403, "resume": 403}),
        ("", {"clusters": 403, "attach": 403, "detach": 403, "resume": 403}),
    ],
)
def test_rights_are_those_of_this_moment(
    ask: Ask,
    alpha: Cluster,
    ada: User,
    cluster: Callable[..., Cluster],
    role: str,
    codes: dict[str, int],
) -> None:
    asleep = cluster("Asleep", state="PAUSED")
    rows = WorkspaceMembership.objects.filter(user=ada)
    if role:
        rows.update(role=role)
    else:
        rows.delete()

    seen = {
        "clusters": ask("clusters")[0],
        "attach": ask("attach", alpha.uuid)[0],
        "detach": ask("detach", alpha.uuid)[0],
        "resume": ask("resume", asleep.uuid)[0],
    }

    assert seen == codes


def test_admin_who_is_not_the_owner_attaches_nothing(
    notebook: Notebook, alpha: Cluster, member: Callable[..., User]
) -> None:
    """Nobody opens another's server; if somebody were inside, this still says no."""
    owner = member("OWNER")
    assert OrganizationMembership.objects.filter(user=owner).exists()

    status, _ = ROUTES["/_bodoweb/attach"](
        Visit(notebook, owner, "ADMIN", ""), "POST", {"cluster": str(alpha.uuid)}
    )

    assert status == 403
    assert not NotebookAttachment.objects.exists()


@pytest.mark.parametrize("name", ["clusters", *POSTS])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "HEAD"])
def test_other_methods_are_refused(ask: Ask, alpha: Cluster, name: str, method: str) -> None:
    usual = "GET" if name == "clusters" else "POST"

    status, _ = ask(name, alpha.uuid, method=method)

    assert (status == 405) is (method != usual)
