"""Creating a cluster, what its steps report, and finding it dead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from clusters.models import Cluster, ClusterNode
from clusters.services.requests import ClusterRefused, operation_for
from clusters.services.usage import usage_close, usage_open
from workspaces.clouds.base import InstanceType, Node
from workspaces.guards import spending_check
from workspaces.models import Operation, Workspace
from workspaces.operations import Actor
from workspaces.services import timeline_note

State = Cluster.State


@dataclass(frozen=True)
class IdleTimers:
    """Minutes without activity; None is Never. Pause <= stop <= shutdown (K3)."""

    auto_pause_minutes: int | None = None
    auto_stop_minutes: int | None = None
    auto_shutdown_minutes: int | None = None


@dataclass(frozen=True)
class Extras:
    """What may be left out when a cluster is made."""

    description: str = ""
    ssh_public_key: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    timers: IdleTimers = IdleTimers()
    is_dedicated: bool = False


@transaction.atomic
def cluster_create(
    *,
    uuid: UUID,
    workspace: Workspace,
    name: str,
    instance_type: InstanceType,
    node_count: int,
    bodo_version: str,
    actor: Actor,
    extras: Extras = Extras(),
) -> Cluster:
    """Write cluster and operation. ``uuid`` comes from the form: a second submit of it finds the
    first one's cluster (F112). Raises ClusterRefused, SpendingRefused.
    """
    if earlier := Cluster.objects.filter(uuid=uuid, workspace=workspace).first():
        return earlier
    if not workspace.is_ready:
        raise ClusterRefused(f"The workspace is {workspace.status}. Wait until it is READY.")
    spending_check(workspace=workspace, actor=actor)
    cluster = Cluster(
        uuid=uuid,
        workspace=workspace,
        created_by=actor.user,
        name=name,
        description=extras.description,
        node_count=node_count,
        bodo_version=bodo_version,
        ssh_public_key=extras.ssh_public_key,
        tags=dict(extras.tags),
        auto_pause_minutes=extras.timers.auto_pause_minutes,
        auto_stop_minutes=extras.timers.auto_stop_minutes,
        auto_shutdown_minutes=extras.timers.auto_shutdown_minutes,
        is_dedicated=extras.is_dedicated,
        created_at=timezone.now(),
    )
    cluster.take_shape_of(instance_type)
    try:
        with transaction.atomic():
            cluster.save(force_insert=True)
    except IntegrityError as error:
        if earlier := Cluster.objects.filter(uuid=uuid, workspace=workspace).first():
            return earlier
        raise ClusterRefused(f"A cluster named {name} lives in this workspace already.") from error
    size = {"instance_type": instance_type.name, "node_count": node_count}
    timeline_note(
        cluster.workspace,
        cluster,
        actor,
        "cluster.create",
        after={**size, "bodo_version": bodo_version},
    )
    operation_for(cluster, "cluster.create", actor)
    return cluster


@transaction.atomic
def cluster_retry(*, cluster: Cluster, actor: Actor) -> Operation:
    """Create a FAILED cluster again. Raises ClusterRefused in any other state."""
    spending_check(workspace=cluster.workspace, actor=actor)
    moved = Cluster.objects.filter(
        pk=cluster.pk, state=State.FAILED, removal_requested_at=None
    ).update(state=State.NEW, state_reason="")
    if not moved:
        raise ClusterRefused("Only a FAILED cluster can be created again.")
    timeline_note(
        cluster.workspace, cluster, actor, "cluster.retry", before={"state": State.FAILED}
    )
    return operation_for(cluster, "cluster.create", actor)


def cluster_mark_starting(*, cluster: Cluster) -> None:
    Cluster.objects.filter(pk=cluster.pk, state=State.NEW).update(state=State.INPROGRESS)


@transaction.atomic
def cluster_record_nodes(*, cluster: Cluster, nodes: Iterable[Node]) -> None:
    """The nodes as they are known now; an empty list says nothing."""
    known = list(nodes)
    if not known:
        return
    for node in known:
        ClusterNode.objects.update_or_create(
            cluster=cluster,
            ordinal=node.ordinal,
            defaults={"name": node.name, "address": node.address},
        )
    cluster.nodes.exclude(ordinal__in=[node.ordinal for node in known]).delete()


@transaction.atomic
def cluster_mark_ready(*, cluster: Cluster, now: datetime) -> bool:
    """RUNNING, and the meter starts (F116, F190). False when a removal came first."""
    starting = (State.NEW, State.INPROGRESS, State.INITIALIZING)
    moved = Cluster.objects.filter(
        pk=cluster.pk, state__in=starting, removal_requested_at=None
    ).update(
        state=State.RUNNING,
        state_reason="",
        ready_at=now,
        last_activity_at=now,
        idle_warned_at=None,
        scaled_from=None,
    )
    if moved:
        usage_open(cluster=cluster, at=now)
    return bool(moved)


@transaction.atomic
def cluster_mark_failed(*, cluster_uuid: UUID, reason: str) -> None:
    """A failed creation costs nothing: no interval was ever opened for it (F191).

    Unless its workers died again and again just after the meter had started.
    """
    failed = Cluster.objects.live().filter(uuid=cluster_uuid)
    failed.update(state=State.FAILED, state_reason=reason)
    for pk in failed.values_list("pk", flat=True):
        usage_close(cluster_pk=pk, at=timezone.now(), reason="failed")


@transaction.atomic
def cluster_mark_lost(*, cluster: Cluster, last_seen_at: datetime, reason: str) -> bool:
    """A running cluster was found dead: FAILED, metered up to its last sign of life (K4).

    ``cluster`` is the row as it was looked at: one that was restarted since is left alone.
    """
    same_start = Cluster.objects.filter(pk=cluster.pk, ready_at=cluster.ready_at)
    moved = same_start.filter(state=State.RUNNING).update(state=State.FAILED, state_reason=reason)
    if moved:
        usage_close(cluster_pk=cluster.pk, at=last_seen_at, reason="lost")
        actor = Actor(source=Operation.Source.DRIFT)
        timeline_note(
            cluster.workspace,
            cluster,
            actor,
            "cluster.lost",
            reason=reason,
            before={"state": State.RUNNING},
        )
        operation_for(cluster, "cluster.clean", actor, reason=reason)
    return bool(moved)
