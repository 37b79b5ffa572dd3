"""Notebook servers that work with clusters (F036, F120, F141).

An attachment is a row and a lease that is not exclusive: other notebooks may share the cluster,
jobs keep off (F157), people and timers do as they like. Rows and lease come first, under the
cluster's row lock; then the provider is asked; then the row is looked at again, since a pause or
a removal may have come between. Ending goes the other way round, so that a crash leaves a row
that somebody ends again, and never a kernel or key that nobody knows of.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import transaction

from accounts.models import User
from clusters.evidence import KERNEL_PREFIX
from clusters.leases import lease_share
from clusters.models import Cluster, ClusterLease, ClusterQuerySet, NotebookAttachment
from clusters.services.keys import node_key
from clusters.services.requests import ClusterRefused, cluster_spec
from workspaces.clouds.base import CloudError
from workspaces.models import Notebook, Workspace
from workspaces.operations import Actor
from workspaces.permissions import role_may, workspace_role
from workspaces.services import cloud_of, notebook_spec, timeline_note

logger = logging.getLogger(__name__)

HOLDER_KIND = "notebook"
LEASE = timedelta(minutes=5)  # a backstop: looks at kernels renew it long before
GRACE = timedelta(minutes=2)  # from the request to the first look that shows its kernel
JUST_UP = timedelta(minutes=1)  # how long a notebook's own cluster is attached after a start


def attachable_clusters(workspace: Workspace) -> ClusterQuerySet:
    """What Create Notebook offers under Cluster (F036), by name."""
    return Cluster.objects.attachable().filter(workspace=workspace).order_by("name", "pk")


def may_attach(notebook: Notebook, user: User) -> bool:
    """One's own server, with a role that opens it now."""
    is_own = notebook.owner_id is not None and notebook.owner_id == user.pk
    return is_own and role_may(workspace_role(user, notebook.workspace), "notebook.open")


def notebook_attach(*, notebook: Notebook, cluster: Cluster, user: User, now: datetime) -> str:
    """Let kernels of the server work with the cluster; answers the name of that kernel.

    Idempotent. Raises PermissionDenied, or ClusterRefused with the reason.
    """
    if not may_attach(notebook, user):
        raise PermissionDenied
    bound, is_new = _bind(notebook, cluster, user, now)
    cloud = cloud_of(notebook.workspace.cloud_configuration)
    key = node_key(bound)
    try:
        name = cloud.attach_notebook(
            notebook_spec(notebook), cluster_spec(bound), name=bound.name, private_key=key
        )
    except CloudError as error:
        if is_new:
            _unbind(notebook, bound)
        raise ClusterRefused(error.message) from error
    if reason := _came_between(notebook, bound):
        _end(notebook, bound)
        raise ClusterRefused(reason)
    if is_new:
        told = {"notebook": notebook.name}
        timeline_note(bound.workspace, bound, Actor(user), "cluster.attach", after=told)
    return name


def notebook_detach(*, notebook: Notebook, cluster: Cluster, user: User) -> None:
    """No new kernel of the cluster in this server, and no key. Raises PermissionDenied."""
    if not may_attach(notebook, user):
        raise PermissionDenied
    if _end(notebook, cluster):
        told = {"notebook": notebook.name}
        timeline_note(cluster.workspace, cluster, Actor(user), "cluster.detach", before=told)


def why_not_attachable(cluster: Cluster) -> str:
    """Empty when its state allows it; else a sentence with the way out."""
    if cluster.removal_requested_at:
        return f"{cluster.name} is being removed. Choose another cluster."
    state = Cluster.State(cluster.state)
    if state == Cluster.State.RUNNING:
        return ""
    ways = {
        Cluster.State.PAUSED: "Resume it to attach this notebook.",
        Cluster.State.STOPPED: "Start it on its page first.",
        Cluster.State.FAILED: "Retry it on its page, or choose another cluster.",
        Cluster.State.TERMINATED: "Choose another cluster.",
    }
    return f"{cluster.name} is {state}. {ways.get(state, 'Wait until it is RUNNING.')}"


def in_use_sentence(cluster: Cluster) -> str:
    return (
        f"A job uses {cluster.name} now and has it to itself. Attach when it has ended, or choose "
        "another cluster."
    )


def attachments_renew(
    *, notebook: Notebook, kernel_names: Iterable[str], now: datetime
) -> list[UUID]:
    """What a look at a RUNNING server's kernels says: keep attachments that have kernels, end
    those that have none, attach where a kernel outlived its attachment. Answers the clusters
    that kernels of it work with.

    A cluster chosen when the server was made stays attached without a kernel (F036).
    """
    seen = _clusters_of(kernel_names)
    known = list(notebook.attachments.select_related("cluster__workspace__organization"))
    for attachment in known:
        cluster = attachment.cluster
        if cluster.uuid in seen:
            NotebookAttachment.objects.filter(pk=attachment.pk).update(last_kernel_at=now)
        elif cluster.uuid != notebook.preferred_cluster:
            if attachment.last_kernel_at + GRACE <= now:
                _end(notebook, cluster)
            continue
        _share(notebook, cluster, now)
    unknown = seen - {attachment.cluster.uuid for attachment in known}
    _attach_quietly(notebook, unknown, now)
    return sorted(seen)


def attachments_end(*, cluster: Cluster) -> None:
    """Before a cluster's machines go. Idempotent."""
    for attachment in cluster.attachments.select_related(
        "notebook__workspace__cloud_configuration"
    ):
        _end(attachment.notebook, cluster)


def attachments_let_go(notebook: Notebook) -> None:
    """After its server's processes ended. Idempotent."""
    for attachment in notebook.attachments.select_related("cluster"):
        _end(notebook, attachment.cluster)


def attachments_settle(*, now: datetime) -> None:
    """End what servers hold that run no more, and attach the clusters that servers were made with
    as soon as both are up (F036).
    """
    ended = NotebookAttachment.objects.exclude(notebook__state=Notebook.State.RUNNING)
    for attachment in ended.select_related("cluster", "notebook__workspace__cloud_configuration"):
        try:
            _end(attachment.notebook, attachment.cluster)
        except CloudError as error:
            logger.warning("notebook %s is not detached: %s", attachment.notebook.uuid, error.code)
    for notebook in _with_a_cluster_of_their_own():
        _attach_own(notebook, now)


def _came_between(notebook: Notebook, cluster: Cluster) -> str:
    """A pause or a removal while the provider was asked; empty when nothing did."""
    cluster.refresh_from_db(fields=["state", "removal_requested_at"])
    if not Notebook.objects.running().filter(pk=notebook.pk).exists():
        return f"{notebook.name} is not running any more."
    return why_not_attachable(cluster)


def _bind(notebook: Notebook, cluster: Cluster, user: User, now: datetime) -> tuple[Cluster, bool]:
    """Row and lease; whether the row is new."""
    with transaction.atomic():
        locked = Cluster.objects.select_for_update().get(pk=cluster.pk)
        if not Notebook.objects.running().filter(pk=notebook.pk).exists():
            raise ClusterRefused(f"{notebook.name} is not running. Start it, then attach it.")
        if reason := why_not_attachable(locked):
            raise ClusterRefused(reason)
        if not _share(notebook, locked, now):
            raise ClusterRefused(in_use_sentence(locked))
        _, is_new = NotebookAttachment.objects.update_or_create(
            notebook=notebook,
            cluster=locked,
            create_defaults={"attached_by": user, "attached_at": now, "last_kernel_at": now},
            defaults={"last_kernel_at": now},
        )
        Cluster.objects.filter(pk=locked.pk).update(last_activity_at=now, idle_warned_at=None)
    locked.workspace = notebook.workspace
    return locked, is_new


def _share(notebook: Notebook, cluster: Cluster, now: datetime) -> bool:
    return lease_share(
        cluster=cluster,
        holder_kind=HOLDER_KIND,
        holder_uuid=notebook.uuid,
        now=now,
        expires_at=now + LEASE,
    )


@transaction.atomic
def _unbind(notebook: Notebook, cluster: Cluster) -> bool:
    ClusterLease.objects.filter(cluster=cluster, holder_uuid=notebook.uuid).delete()
    count, _ = NotebookAttachment.objects.filter(notebook=notebook, cluster=cluster).delete()
    return bool(count)


def _end(notebook: Notebook, cluster: Cluster) -> bool:
    """Whether there was anything to end."""
    cloud = cloud_of(notebook.workspace.cloud_configuration)
    cloud.detach_notebook(notebook_spec(notebook), cluster.uuid)
    return _unbind(notebook, cluster)


def _clusters_of(kernel_names: Iterable[str]) -> set[UUID]:
    found = set()
    for name in kernel_names:
        try:
            found.add(UUID(name.removeprefix(KERNEL_PREFIX)))
        except ValueError:  # a kernel of no cluster
            continue
    return found


def _attach_quietly(notebook: Notebook, uuids: Iterable[UUID], now: datetime) -> None:
    """What can not be attached now is looked at again the next time."""
    if notebook.owner is None:
        return
    for cluster in attachable_clusters(notebook.workspace).running().filter(uuid__in=list(uuids)):
        try:
            notebook_attach(notebook=notebook, cluster=cluster, user=notebook.owner, now=now)
        except (ClusterRefused, PermissionDenied) as error:
            logger.info("cluster %s is not attached again: %s", cluster.uuid, error)


def _with_a_cluster_of_their_own() -> Iterable[Notebook]:
    return (
        Notebook.objects.running()
        .exclude(preferred_cluster=None)
        .select_related("owner", "workspace__organization", "workspace__cloud_configuration")
    )


def _attach_own(notebook: Notebook, now: datetime) -> None:
    """Only just after a start: whoever detaches it later means it."""
    own = [uuid for uuid in [notebook.preferred_cluster] if uuid]
    cluster = (
        attachable_clusters(notebook.workspace)
        .running()
        .filter(uuid__in=own)
        .exclude(attachments__notebook=notebook)
        .first()
    )
    if cluster is None:
        return
    starts = [at for at in (notebook.ready_at, cluster.ready_at) if at]
    if starts and max(starts) + JUST_UP > now:
        _attach_quietly(notebook, [cluster.uuid], now)
