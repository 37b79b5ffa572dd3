"""Removing a cluster: legal in every state, and it overtakes whatever is running."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from clusters.models import Cluster
from clusters.services.requests import operation_for
from clusters.services.usage import usage_close
from workspaces.models import Operation, Workspace
from workspaces.operations import Actor
from workspaces.services import timeline_note


@transaction.atomic
def cluster_remove(*, cluster: Cluster, actor: Actor, reason: str = "") -> Operation | None:
    """None when it was asked for before. The meter stops here, at the request (F190)."""
    now = timezone.now()
    before = cluster.state
    asked = (
        Cluster.objects.live()
        .filter(pk=cluster.pk, removal_requested_at=None)
        .update(removal_requested_at=now, state=Cluster.State.STOPPING, state_reason="")
    )
    if not asked:
        return None
    usage_close(cluster_pk=cluster.pk, at=now, reason="remove")
    timeline_note(
        cluster.workspace, cluster, actor, "cluster.remove", reason=reason, before={"state": before}
    )
    return operation_for(cluster, "cluster.remove", actor, reason=reason, overtake=True)


@transaction.atomic
def cluster_remove_again(*, cluster: Cluster, actor: Actor) -> Operation:
    """A removal that FAILED is asked for again; raises OperationConflict while one is open."""
    return operation_for(cluster, "cluster.remove", actor)


@transaction.atomic
def cluster_mark_removed(*, cluster: Cluster) -> None:
    moved = (
        Cluster.objects.live()
        .filter(pk=cluster.pk)
        .update(state=Cluster.State.TERMINATED, packages=[], removed_at=timezone.now())
    )
    if moved:
        cluster.leases.all().delete()


def living_cluster_names(workspace: Workspace) -> list[str]:
    """For the removal of a workspace: FAILED clusters count as living (F094)."""
    return [cluster.name for cluster in Cluster.objects.live().filter(workspace=workspace)]
