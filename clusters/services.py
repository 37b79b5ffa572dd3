"""All writes to clusters. The meter starts and stops here and nowhere else (K4, F190)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from clusters.models import Cluster, ClusterNode, UsageInterval
from workspaces.clouds.base import ClusterSpec, InstanceType, Node
from workspaces.guards import spending_check
from workspaces.models import Operation, Workspace
from workspaces.operations import Actor, operation_start
from workspaces.services import timeline_record
from workspaces.services.workspaces import workspace_spec

State = Cluster.State


class ClusterRefused(Exception):  # noqa: N818 - an expected refusal, with a sentence for the user
    pass


def cluster_spec(cluster: Cluster) -> ClusterSpec:
    """What a driver must know; ``cluster.workspace`` is read."""
    return ClusterSpec(
        uuid=cluster.uuid,
        workspace=workspace_spec(cluster.workspace),
        instance_type=InstanceType(
            name=cluster.instance_type,
            vcpus=cluster.vcpus_per_node,
            cores=cluster.cores_per_node,
            memory_mib=cluster.memory_mib_per_node,
            has_efa=cluster.has_efa,
        ),
        node_count=cluster.node_count,
        bodo_version=cluster.bodo_version,
    )


@transaction.atomic
def cluster_create(
    *,
    uuid: UUID,
    workspace: Workspace,
    name: str,
    instance_type: InstanceType,
    node_count: int,
    bodo_version: str,
    description: str = "",
    is_dedicated: bool = False,
    actor: Actor,
) -> Cluster:
    """Write cluster and operation. ``uuid`` comes from the form: a second submit of it finds the
    first one's cluster (F112). Raises ClusterRefused, SpendingRefused.
    """
    if earlier := Cluster.objects.filter(uuid=uuid, workspace=workspace).first():
        return earlier
    if not workspace.is_ready:
        raise ClusterRefused(f"The workspace is {workspace.status}. Wait until it is READY.")
    spending_check(workspace=workspace, actor=actor)
    try:
        with transaction.atomic():
            cluster = Cluster.objects.create(
                uuid=uuid,
                workspace=workspace,
                created_by=actor.user,
                name=name,
                description=description,
                instance_type=instance_type.name,
                vcpus_per_node=instance_type.vcpus,
                cores_per_node=instance_type.cores,
                memory_mib_per_node=instance_type.memory_mib,
                has_efa=instance_type.has_efa,
                node_count=node_count,
                bodo_version=bodo_version,
                is_dedicated=is_dedicated,
                created_at=timezone.now(),
            )
    except IntegrityError as error:
        if earlier := Cluster.objects.filter(uuid=uuid, workspace=workspace).first():
            return earlier
        raise ClusterRefused(f"A cluster named {name} lives in this workspace already.") from error
    size = {"instance_type": instance_type.name, "node_count": node_count}
    _note(cluster, actor, "cluster.create", after={**size, "bodo_version": bodo_version})
    _start(cluster, "cluster.create", actor)
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
    _note(cluster, actor, "cluster.retry", before={"state": State.FAILED})
    return _start(cluster, "cluster.create", actor)


@transaction.atomic
def cluster_remove(*, cluster: Cluster, actor: Actor, reason: str = "") -> Operation | None:
    """Legal in every state; overtakes what is running. None when it was asked for before.

    The meter stops here, at the request, not at its completion (F190).
    """
    now = timezone.now()
    before = cluster.state
    asked = (
        Cluster.objects.live()
        .filter(pk=cluster.pk, removal_requested_at=None)
        .update(removal_requested_at=now, state=State.STOPPING, state_reason="")
    )
    if not asked:
        return None
    usage_close(cluster_pk=cluster.pk, at=now, reason="remove")
    _note(cluster, actor, "cluster.remove", reason=reason, before={"state": before})
    return _start(cluster, "cluster.remove", actor, reason=reason, overtake=True)


@transaction.atomic
def cluster_remove_again(*, cluster: Cluster, actor: Actor) -> Operation:
    """A removal that FAILED is asked for again; raises OperationConflict while one is open."""
    return _start(cluster, "cluster.remove", actor)


def cluster_mark_starting(*, cluster: Cluster) -> None:
    Cluster.objects.filter(pk=cluster.pk, state=State.NEW).update(state=State.INPROGRESS)


@transaction.atomic
def cluster_record_nodes(*, cluster: Cluster, nodes: Iterable[Node]) -> None:
    for node in nodes:
        ClusterNode.objects.update_or_create(
            cluster=cluster,
            ordinal=node.ordinal,
            defaults={"name": node.name, "address": node.address},
        )


@transaction.atomic
def cluster_mark_ready(*, cluster: Cluster, now: datetime) -> bool:
    """RUNNING, and the meter starts (F116, F190). False when a removal came first."""
    moved = Cluster.objects.filter(
        pk=cluster.pk, state__in=(State.NEW, State.INPROGRESS), removal_requested_at=None
    ).update(state=State.RUNNING, ready_at=now)
    if not moved:
        return False
    UsageInterval.objects.create(
        organization=cluster.workspace.organization,
        workspace=cluster.workspace,
        cluster=cluster,
        provider=cluster.workspace.cloud_configuration.provider,
        instance_type=cluster.instance_type,
        node_count=cluster.node_count,
        started_at=now,
    )
    return True


def cluster_mark_failed(*, cluster_uuid: UUID, reason: str) -> None:
    """A failed creation costs nothing: no interval was ever opened for it (F191)."""
    Cluster.objects.live().filter(uuid=cluster_uuid).update(state=State.FAILED, state_reason=reason)


@transaction.atomic
def cluster_mark_lost(*, cluster: Cluster, last_seen_at: datetime, reason: str) -> bool:
    """A running cluster was found dead: FAILED, metered up to its last sign of life (K4)."""
    moved = Cluster.objects.filter(pk=cluster.pk, state=State.RUNNING).update(
        state=State.FAILED, state_reason=reason
    )
    if moved:
        usage_close(cluster_pk=cluster.pk, at=last_seen_at, reason="lost")
        actor = Actor(source=Operation.Source.DRIFT)
        _note(cluster, actor, "cluster.lost", reason=reason, before={"state": State.RUNNING})
        _start(cluster, "cluster.clean", actor, reason=reason)
    return bool(moved)


@transaction.atomic
def cluster_mark_removed(*, cluster: Cluster) -> None:
    moved = (
        Cluster.objects.live()
        .filter(pk=cluster.pk)
        .update(state=State.TERMINATED, removed_at=timezone.now())
    )
    if moved:
        cluster.leases.all().delete()


def usage_close(*, cluster_pk: int, at: datetime, reason: str) -> None:
    """Close the open interval, if any; never before it began."""
    for interval in UsageInterval.objects.filter(cluster_id=cluster_pk, ended_at=None):
        UsageInterval.objects.filter(pk=interval.pk, ended_at=None).update(
            ended_at=max(at, interval.started_at), end_reason=reason
        )


def living_cluster_names(workspace: Workspace) -> list[str]:
    """For the removal of a workspace: FAILED clusters count as living (F094)."""
    return [cluster.name for cluster in Cluster.objects.live().filter(workspace=workspace)]


def _start(
    cluster: Cluster, kind: str, actor: Actor, *, reason: str = "", overtake: bool = False
) -> Operation:
    return operation_start(
        kind=kind,
        target_uuid=cluster.uuid,
        organization=cluster.workspace.organization,
        workspace=cluster.workspace,
        actor=actor,
        reason=reason,
        overtake=overtake,
    )


def _note(
    cluster: Cluster,
    actor: Actor,
    action: str,
    *,
    reason: str = "",
    before: dict[str, object] | None = None,
    after: dict[str, object] | None = None,
) -> None:
    timeline_record(
        organization=cluster.workspace.organization,
        workspace=cluster.workspace,
        actor=actor,
        action=action,
        target_uuid=cluster.uuid,
        target_name=cluster.name,
        reason=reason,
        before=before,
        after=after,
    )
