"""Notebooks attached to clusters: rights, races, what it keeps off, and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.serialization import load_ssh_private_key, load_ssh_public_key
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from clusters.leases import lease_release, lease_take
from clusters.models import Cluster, ClusterLease, NotebookAttachment
from clusters.services import (
    ClusterRefused,
    attachable_clusters,
    attachments_renew,
    attachments_settle,
    cluster_act,
    cluster_mark_lost,
    cluster_remove,
    cluster_scale,
    notebook_attach,
    notebook_detach,
)
from tests.fake_cloud import FakeCloud
from workspaces.clouds.base import CloudError, ClusterSpec
from workspaces.clouds.servers import NotebookSpec
from workspaces.models import (
    CloudConfiguration,
    Notebook,
    OrganizationMembership,
    TimelineEntry,
    Workspace,
    WorkspaceMembership,
)
from workspaces.operations import Actor
from workspaces.services import notebook_act, notebook_remove

Make = Callable[..., Any]


@pytest.fixture
def ada(member: Callable[..., User], workspace: Workspace) -> User:
    return member("MEMBER", workspace)


@pytest.fixture
def notebook(workspace: Workspace, ada: User, cloud: FakeCloud) -> Notebook:
    return _notebook(workspace, ada, cloud)


def _notebook(
    workspace: Workspace, owner: User, cloud: FakeCloud, name: str = "My Notebook", **fields: Any
) -> Notebook:
    defaults: dict[str, Any] = {
        "instance_type": "c5.large",
        "vcpus": 2,
        "cores": 1,
        "memory_mib": 4096,
        "state": "RUNNING",
        "created_at": timezone.now(),
        "ready_at": timezone.now(),
    }
    made = Notebook.objects.create(
        workspace=workspace, owner=owner, name=name, **{**defaults, **fields}
    )
    cloud.notebooks.add(made.uuid)
    return made


@pytest.fixture
def alpha(cluster: Callable[..., Cluster], cloud: FakeCloud) -> Cluster:
    made = cluster("Alpha", state="RUNNING", last_activity_at=timezone.now())
    cloud.clusters.add(made.uuid)
    return made


def _attach(notebook: Notebook, cluster: Cluster) -> str:
    assert notebook.owner is not None
    return notebook_attach(
        notebook=notebook, cluster=cluster, user=notebook.owner, now=timezone.now()
    )


def _hold(cluster: Cluster) -> bool:
    now = timezone.now()
    return lease_take(
        cluster=cluster,
        holder_kind="job",
        holder_uuid=uuid4(),
        now=now,
        expires_at=now + timedelta(hours=1),
    )


def test_attaching_answers_the_kernel(notebook: Notebook, alpha: Cluster, cloud: FakeCloud) -> None:
    """F120."""
    name = _attach(notebook, alpha)

    assert name == f"bodo-{alpha.uuid}"
    assert (notebook.uuid, alpha.uuid) in cloud.attached
    attachment = NotebookAttachment.objects.get()
    assert (attachment.cluster, attachment.notebook) == (alpha, notebook)
    assert attachment.attached_by == notebook.owner
    assert TimelineEntry.objects.filter(action="cluster.attach").count() == 1


def test_key_is_made_once_and_its_halves_belong_together(
    notebook: Notebook, alpha: Cluster, cloud: FakeCloud, workspace: Workspace, ada: User
) -> None:
    """F141."""
    second = _notebook(workspace, ada, cloud, "Second")

    _attach(notebook, alpha)
    _attach(second, alpha)

    alpha.refresh_from_db()
    first_key, second_key = (cloud.attached[row.uuid, alpha.uuid] for row in (notebook, second))
    assert first_key == second_key
    private = load_ssh_private_key(first_key.encode(), password=None)
    public = load_ssh_public_key(alpha.node_public_key.encode())
    assert private.public_key() == public
    assert alpha.node_public_key.startswith("ssh-ed25519 ")
    assert "PRIVATE KEY" not in alpha.sealed_node_key


def test_attaching_twice_is_once(notebook: Notebook, alpha: Cluster) -> None:
    _attach(notebook, alpha)
    _attach(notebook, alpha)

    assert NotebookAttachment.objects.count() == 1
    assert ClusterLease.objects.count() == 1
    assert TimelineEntry.objects.filter(action="cluster.attach").count() == 1


@pytest.mark.parametrize(
    "who", ["another member", "an admin", "the owner, a viewer now", "a stranger now"]
)
def test_nobody_else_attaches_or_detaches(
    notebook: Notebook,
    alpha: Cluster,
    workspace: Workspace,
    member: Callable[..., User],
    ada: User,
    who: str,
) -> None:
    _attach(notebook, alpha)
    rows = WorkspaceMembership.objects.filter(user=ada, workspace=workspace)
    person = ada
    if who == "another member":
        person = member("MEMBER", workspace)
    elif who == "an admin":
        person = member("ADMIN", workspace)
    elif who == "a stranger now":
        rows.delete()
    else:
        rows.update(role="VIEWER")

    with pytest.raises(PermissionDenied):
        notebook_attach(notebook=notebook, cluster=alpha, user=person, now=timezone.now())
    with pytest.raises(PermissionDenied):
        notebook_detach(notebook=notebook, cluster=alpha, user=person)

    assert NotebookAttachment.objects.count() == 1


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("NEW", "Wait until it is RUNNING"),
        ("INPROGRESS", "Wait until it is RUNNING"),
        ("PAUSING", "Wait until it is RUNNING"),
        ("PAUSED", "Resume it"),
        ("STOPPING", "Wait until it is RUNNING"),
        ("STOPPED", "Start it"),
        ("INITIALIZING", "Wait until it is RUNNING"),
        ("FAILED", "Retry it"),
        ("TERMINATED", "Choose another"),
    ],
)
def test_cluster_that_does_not_run_is_refused_with_a_next_step(
    notebook: Notebook, alpha: Cluster, cloud: FakeCloud, state: str, words: str
) -> None:
    Cluster.objects.filter(pk=alpha.pk).update(state=state)

    with pytest.raises(ClusterRefused, match=f"Alpha is {state}.*{words}"):
        _attach(notebook, alpha)

    assert not ClusterLease.objects.exists()
    assert not cloud.attached


def test_server_that_does_not_run_is_refused(
    notebook: Notebook, alpha: Cluster, cloud: FakeCloud
) -> None:
    Notebook.objects.filter(pk=notebook.pk).update(state="PAUSED")

    with pytest.raises(ClusterRefused, match="My Notebook is not running"):
        _attach(notebook, alpha)

    assert not cloud.attached


def test_cluster_of_a_job_is_refused(notebook: Notebook, alpha: Cluster) -> None:
    _hold(alpha)

    with pytest.raises(ClusterRefused, match="A job uses Alpha now"):
        _attach(notebook, alpha)

    assert not NotebookAttachment.objects.exists()


def test_attached_cluster_is_not_free_for_jobs(notebook: Notebook, alpha: Cluster) -> None:
    """F157."""
    _attach(notebook, alpha)

    assert alpha not in Cluster.objects.free(timezone.now())
    assert _hold(alpha) is False


def test_two_notebooks_share_a_cluster(
    notebook: Notebook, alpha: Cluster, cloud: FakeCloud, workspace: Workspace, ada: User
) -> None:
    second = _notebook(workspace, ada, cloud, "Second")
    _attach(notebook, alpha)
    _attach(second, alpha)

    notebook_detach(notebook=notebook, cluster=alpha, user=ada)

    assert NotebookAttachment.objects.get().notebook == second
    assert _hold(alpha) is False


def test_last_detached_notebook_sets_the_cluster_free(
    notebook: Notebook, alpha: Cluster, cloud: FakeCloud, ada: User
) -> None:
    _attach(notebook, alpha)

    notebook_detach(notebook=notebook, cluster=alpha, user=ada)

    assert not cloud.attached
    assert alpha in Cluster.objects.free(timezone.now())
    assert _hold(alpha) is True


@pytest.mark.parametrize("verb", ["pause", "stop", "restart", "scale", "remove"])
def test_people_act_on_an_attached_cluster(notebook: Notebook, alpha: Cluster, verb: str) -> None:
    _attach(notebook, alpha)

    if verb == "scale":
        cluster_scale(cluster=alpha, node_count=3, actor=Actor())
    elif verb == "remove":
        cluster_remove(cluster=alpha, actor=Actor())
    else:
        cluster_act(cluster=alpha, verb=verb, actor=Actor())

    alpha.refresh_from_db()
    assert alpha.state != "RUNNING"


def test_attachment_outlives_a_pause_and_a_resume(
    notebook: Notebook, alpha: Cluster, run_operations: Make, cloud: FakeCloud
) -> None:
    _attach(notebook, alpha)
    cluster_act(cluster=alpha, verb="pause", actor=Actor())
    run_operations()
    alpha.refresh_from_db()

    now = timezone.now() + timedelta(hours=2)
    attachments_renew(notebook=notebook, kernel_names=[f"bodo-{alpha.uuid}"], now=now)
    cluster_act(cluster=alpha, verb="resume", actor=Actor())
    run_operations()

    assert (notebook.uuid, alpha.uuid) in cloud.attached
    assert alpha not in Cluster.objects.free(now)


@pytest.mark.parametrize("end", ["remove", "stop", "lost"])
def test_cluster_that_goes_takes_kernel_and_key_along(
    notebook: Notebook, alpha: Cluster, run_operations: Make, cloud: FakeCloud, end: str
) -> None:
    """F141."""
    _attach(notebook, alpha)
    if end == "remove":
        cluster_remove(cluster=alpha, actor=Actor())
    elif end == "stop":
        cluster_act(cluster=alpha, verb="stop", actor=Actor())
    else:
        cluster_mark_lost(cluster=alpha, last_seen_at=timezone.now(), reason="Gone.")

    run_operations()

    assert not cloud.attached
    assert not NotebookAttachment.objects.exists()
    assert not ClusterLease.objects.exists()


class Meddling(FakeCloud):
    """Something else happens while the provider is asked."""

    def __init__(self, meanwhile: Callable[[], object], **state: Any) -> None:
        super().__init__(**state)
        self.meanwhile = meanwhile

    def attach_notebook(
        self, spec: NotebookSpec, cluster: ClusterSpec, *, name: str, private_key: str
    ) -> str:
        self.meanwhile()
        return super().attach_notebook(spec, cluster, name=name, private_key=private_key)


@pytest.mark.parametrize("what", ["pause", "removal", "pause of the server"])
def test_what_comes_between_leaves_no_kernel_and_no_key(
    notebook: Notebook,
    alpha: Cluster,
    run_operations: Make,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
) -> None:
    def meanwhile() -> None:
        if what == "pause":
            cluster_act(cluster=alpha, verb="pause", actor=Actor())
        elif what == "removal":
            cluster_remove(cluster=alpha, actor=Actor())
            run_operations()
        else:
            Notebook.objects.filter(pk=notebook.pk).update(state="PAUSING")

    meddling = Meddling(meanwhile, clusters={alpha.uuid})
    monkeypatch.setattr("workspaces.services.clouds.cloud_for", lambda provider, settings: meddling)

    with pytest.raises(ClusterRefused):
        _attach(notebook, alpha)

    assert not meddling.attached
    assert not NotebookAttachment.objects.exists()
    assert not ClusterLease.objects.exists()


def test_job_that_starts_meanwhile_gets_nothing(
    notebook: Notebook, alpha: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[bool] = []
    meddling = Meddling(lambda: taken.append(_hold(alpha)), clusters={alpha.uuid})
    monkeypatch.setattr("workspaces.services.clouds.cloud_for", lambda provider, settings: meddling)

    _attach(notebook, alpha)

    assert taken == [False]
    assert NotebookAttachment.objects.count() == 1


def test_provider_that_refuses_leaves_the_cluster_free(
    notebook: Notebook, alpha: Cluster, cloud: FakeCloud
) -> None:
    cloud.error = CloudError("Disk", "The disk is full. Free some space, then try again.")

    with pytest.raises(ClusterRefused, match="The disk is full"):
        _attach(notebook, alpha)

    assert alpha in Cluster.objects.free(timezone.now())
    assert not NotebookAttachment.objects.exists()


def test_living_kernel_keeps_the_lease(notebook: Notebook, alpha: Cluster) -> None:
    _attach(notebook, alpha)
    later = timezone.now() + timedelta(hours=3)

    used = attachments_renew(
        notebook=notebook, kernel_names=["python3", f"bodo-{alpha.uuid}"], now=later
    )

    assert used == [alpha.uuid]
    assert ClusterLease.objects.get().expires_at > later
    assert NotebookAttachment.objects.get().last_kernel_at == later


def test_kernel_that_still_starts_is_waited_for(notebook: Notebook, alpha: Cluster) -> None:
    _attach(notebook, alpha)

    attachments_renew(notebook=notebook, kernel_names=[], now=timezone.now())

    assert NotebookAttachment.objects.exists()


def test_attachment_without_a_kernel_ends(
    notebook: Notebook, alpha: Cluster, cloud: FakeCloud
) -> None:
    _attach(notebook, alpha)
    later = timezone.now() + timedelta(minutes=3)

    attachments_renew(notebook=notebook, kernel_names=["python3"], now=later)

    assert not cloud.attached
    assert not NotebookAttachment.objects.exists()
    assert alpha in Cluster.objects.free(later)


def test_kernel_that_outlived_its_attachment_is_attached_again(
    notebook: Notebook, alpha: Cluster, cloud: FakeCloud
) -> None:
    attachments_renew(notebook=notebook, kernel_names=[f"bodo-{alpha.uuid}"], now=timezone.now())

    assert (notebook.uuid, alpha.uuid) in cloud.attached
    assert alpha not in Cluster.objects.free(timezone.now())


def test_kernel_beside_a_job_waits_until_the_job_has_ended(
    notebook: Notebook, alpha: Cluster
) -> None:
    names, now = [f"bodo-{alpha.uuid}"], timezone.now()
    job = uuid4()
    lease_take(
        cluster=alpha, holder_kind="job", holder_uuid=job, now=now, expires_at=now + timedelta(1)
    )

    attachments_renew(notebook=notebook, kernel_names=names, now=now)
    beside = NotebookAttachment.objects.count()
    lease_release(holder_uuid=job)
    attachments_renew(notebook=notebook, kernel_names=names, now=now)

    assert beside == 0
    assert NotebookAttachment.objects.count() == 1


def test_kernel_names_of_other_workspaces_attach_nothing(
    notebook: Notebook, alpha: Cluster, organization: Any, cloud: FakeCloud
) -> None:
    """Whoever owns the server can give a kernel any name."""
    configuration = CloudConfiguration.objects.get()
    foreign = Workspace.objects.create(
        organization=organization,
        cloud_configuration=configuration,
        name="Foreign",
        region="here",
        status="READY",
    )
    Cluster.objects.filter(pk=alpha.pk).update(workspace=foreign)

    attachments_renew(notebook=notebook, kernel_names=[f"bodo-{alpha.uuid}"], now=timezone.now())

    assert not NotebookAttachment.objects.exists()
    assert not cloud.attached


@pytest.mark.parametrize("state", ["PAUSING", "PAUSED", "FAILED", "TERMINATING", "TERMINATED"])
def test_server_that_ended_holds_nothing(
    notebook: Notebook, alpha: Cluster, cloud: FakeCloud, state: str
) -> None:
    _attach(notebook, alpha)
    Notebook.objects.filter(pk=notebook.pk).update(state=state)

    attachments_settle(now=timezone.now())

    assert not cloud.attached
    assert alpha in Cluster.objects.free(timezone.now())


@pytest.mark.parametrize("verb", ["pause", "remove"])
def test_server_that_is_ended_by_somebody_lets_go_at_once(
    notebook: Notebook, alpha: Cluster, cloud: FakeCloud, run_operations: Make, verb: str
) -> None:
    _attach(notebook, alpha)
    if verb == "remove":
        notebook_remove(notebook=notebook, actor=Actor())
    else:
        notebook_act(notebook=notebook, verb=verb, actor=Actor())

    run_operations()

    assert not cloud.attached
    assert not NotebookAttachment.objects.exists()
    assert alpha in Cluster.objects.free(timezone.now())


def test_own_cluster_is_attached_when_both_are_up(
    workspace: Workspace, ada: User, cloud: FakeCloud, alpha: Cluster
) -> None:
    """F036."""
    Cluster.objects.filter(pk=alpha.pk).update(state="INPROGRESS")
    made = _notebook(workspace, ada, cloud, preferred_cluster=alpha.uuid)

    attachments_settle(now=timezone.now())
    before = NotebookAttachment.objects.count()
    now = timezone.now() + timedelta(hours=1)
    Cluster.objects.filter(pk=alpha.pk).update(state="RUNNING", ready_at=now)
    attachments_settle(now=now)

    assert before == 0
    assert (made.uuid, alpha.uuid) in cloud.attached


def test_own_cluster_stays_attached_without_a_kernel(
    workspace: Workspace, ada: User, cloud: FakeCloud, alpha: Cluster
) -> None:
    made = _notebook(workspace, ada, cloud, preferred_cluster=alpha.uuid)
    attachments_settle(now=timezone.now())
    later = timezone.now() + timedelta(hours=1)

    attachments_renew(notebook=made, kernel_names=[], now=later)

    assert NotebookAttachment.objects.count() == 1
    assert alpha not in Cluster.objects.free(later)


def test_own_cluster_that_was_detached_stays_detached(
    workspace: Workspace, ada: User, cloud: FakeCloud, alpha: Cluster
) -> None:
    made = _notebook(workspace, ada, cloud, preferred_cluster=alpha.uuid)
    attachments_settle(now=timezone.now())
    notebook_detach(notebook=made, cluster=alpha, user=ada)

    attachments_settle(now=timezone.now() + timedelta(minutes=2))

    assert not NotebookAttachment.objects.exists()


def test_form_offers_clusters_that_live_by_name(
    workspace: Workspace, cluster: Callable[..., Cluster]
) -> None:
    cluster("Gone", state="TERMINATED")
    cluster("Zeta", state="PAUSED")
    cluster("Dedicated", state="RUNNING", is_dedicated=True)
    cluster("Going", state="STOPPING", removal_requested_at=timezone.now())
    cluster("Alpha", state="NEW")

    assert [row.name for row in attachable_clusters(workspace)] == ["Alpha", "Zeta"]


def test_idle_timer_of_an_attached_cluster_goes_on(
    notebook: Notebook, alpha: Cluster, signed_in: Callable[[User], Client], ada: User
) -> None:
    """Only work keeps it: a notebook that is merely attached does not."""
    Cluster.objects.filter(pk=alpha.pk).update(auto_pause_minutes=60)
    _attach(notebook, alpha)
    url = reverse("clusters:detail", args=[alpha.workspace.uuid, alpha.uuid])

    page = signed_in(ada).get(url).content.decode()

    assert "pauses by itself" in page
    assert f"attached: My Notebook of {ada}" in page


def test_owners_of_the_organization_attach_their_own(
    workspace: Workspace, member: Callable[..., User], cloud: FakeCloud, alpha: Cluster
) -> None:
    owner = member("OWNER")
    own = _notebook(workspace, owner, cloud)
    _attach(own, alpha)
    OrganizationMembership.objects.filter(user=owner).delete()

    with pytest.raises(PermissionDenied):
        notebook_detach(notebook=own, cluster=alpha, user=owner)
