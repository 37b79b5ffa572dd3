"""Pause, resume, stop, start, restart, scale and edit (G006, G007, K3).

Each is one conditional UPDATE of the state and one operation, in one transaction: of two requests
at once the database lets one through. What needs the cluster to itself asks for leases under the
cluster's row lock, as ``lease_take`` does, so neither can slip in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from clusters.models import VERB_STATES, Cluster
from clusters.services.creation import IdleTimers
from clusters.services.requests import ClusterRefused, operation_for
from clusters.services.usage import usage_close
from workspaces.clouds.base import InstanceType
from workspaces.guards import spending_check
from workspaces.models import Operation
from workspaces.operations import Actor, operation_start
from workspaces.services import timeline_note

State = Cluster.State


THROUGH = {
    "pause": State.PAUSING,
    "stop": State.STOPPING,
    "resume": State.INITIALIZING,
    "start": State.INITIALIZING,
    "restart": State.INITIALIZING,
    "scale": State.INITIALIZING,
}
SPENDING = frozenset({"resume", "start", "scale"})


@transaction.atomic
def cluster_act(*, cluster: Cluster, verb: str, actor: Actor, reason: str = "") -> Operation:
    """Pause, resume, stop, start or restart. Raises ClusterRefused with the reason.

    The meter stops here, at the request (K4).
    """
    _move(cluster, verb, actor)
    kind = f"cluster.{verb}"
    timeline_note(
        cluster.workspace, cluster, actor, kind, reason=reason, before={"state": cluster.state}
    )
    return operation_for(cluster, kind, actor, reason=reason)


@transaction.atomic
def cluster_scale(*, cluster: Cluster, node_count: int, actor: Actor) -> Operation:
    """Change the number of nodes; a paused cluster is resumed by it (G007)."""
    if node_count == cluster.node_count:
        raise ClusterRefused(f"{cluster.name} has {node_count} instances already.")
    _move(cluster, "scale", actor)
    Cluster.objects.filter(pk=cluster.pk).update(
        node_count=node_count, scaled_from=cluster.node_count
    )
    timeline_note(
        cluster.workspace,
        cluster,
        actor,
        "cluster.scale",
        before={"node_count": cluster.node_count},
        after={"node_count": node_count},
    )
    return operation_for(cluster, "cluster.scale", actor)


def _move(cluster: Cluster, verb: str, actor: Actor) -> None:
    if verb in SPENDING:
        spending_check(workspace=cluster.workspace, actor=actor)
    locked = Cluster.objects.select_for_update().get(pk=cluster.pk)
    if verb not in locked.verbs:
        now = "being removed" if locked.removal_requested_at else locked.state
        allowed = " or ".join(VERB_STATES[verb])
        raise ClusterRefused(f"{cluster.name} is {now}; only a {allowed} cluster can {verb}.")
    if holder := locked.holder(timezone.now()):
        raise ClusterRefused(
            f"A {holder.holder_kind} uses {cluster.name} now. Wait until it has ended or cancel it."
        )
    Cluster.objects.filter(pk=cluster.pk).update(state=THROUGH[verb], state_reason="")
    usage_close(cluster_pk=cluster.pk, at=timezone.now(), reason=verb)


def cluster_mark_settled(*, cluster: Cluster, before: str, after: str) -> None:
    """A pause or stop has been carried out."""
    Cluster.objects.filter(pk=cluster.pk, state=before, removal_requested_at=None).update(
        state=after
    )


def cluster_mark_returned(*, cluster_uuid: UUID, state: str, reason: str) -> None:
    """A resume or start did not work out: back to where it was, with the reason."""
    Cluster.objects.filter(
        uuid=cluster_uuid, state=State.INITIALIZING, removal_requested_at=None
    ).update(state=state, state_reason=reason)


@transaction.atomic
def cluster_return_to_size(*, cluster: Cluster) -> None:
    """A scale did not work out: the size it had before is what is wanted again."""
    Cluster.objects.filter(pk=cluster.pk).exclude(scaled_from=None).update(
        node_count=cluster.scaled_from, scaled_from=None
    )
    cluster.refresh_from_db(fields=["node_count", "scaled_from"])


@transaction.atomic
def cluster_edit(
    *,
    cluster: Cluster,
    name: str,
    description: str,
    tags: Mapping[str, str],
    timers: IdleTimers,
    actor: Actor,
) -> None:
    """What may change in every state (G006). Raises ClusterRefused when the name is taken."""
    changes = {
        "name": name,
        "description": description,
        "tags": dict(tags),
        "auto_pause_minutes": timers.auto_pause_minutes,
        "auto_stop_minutes": timers.auto_stop_minutes,
        "auto_shutdown_minutes": timers.auto_shutdown_minutes,
    }
    before = {key: getattr(cluster, key) for key in changes}
    changed = {key: value for key, value in changes.items() if value != before[key]}
    if not changed:
        return
    try:
        with transaction.atomic():
            Cluster.objects.filter(pk=cluster.pk).update(idle_warned_at=None, **changed)
    except IntegrityError as error:
        raise ClusterRefused(f"A cluster named {name} lives in this workspace already.") from error
    was = {key: before[key] for key in changed}
    timeline_note(cluster.workspace, cluster, actor, "cluster.edit", before=was, after=changed)


@transaction.atomic
def cluster_reshape(
    *,
    cluster: Cluster,
    instance_type: InstanceType,
    node_count: int,
    bodo_version: str,
    actor: Actor,
) -> None:
    """Another instance type, number or Bodo version: only while STOPPED (G006)."""
    before = {
        "instance_type": cluster.instance_type,
        "node_count": cluster.node_count,
        "bodo_version": cluster.bodo_version,
    }
    after = {
        "instance_type": instance_type.name,
        "node_count": node_count,
        "bodo_version": bodo_version,
    }
    if before == after:
        return
    shape = Cluster()
    shape.take_shape_of(instance_type)
    moved = Cluster.objects.filter(pk=cluster.pk, state=State.STOPPED).update(
        instance_type=shape.instance_type,
        vcpus_per_node=shape.vcpus_per_node,
        cores_per_node=shape.cores_per_node,
        memory_mib_per_node=shape.memory_mib_per_node,
        has_efa=shape.has_efa,
        node_count=node_count,
        bodo_version=bodo_version,
    )
    if not moved:
        raise ClusterRefused("The machines of a cluster can change only while it is STOPPED.")
    timeline_note(cluster.workspace, cluster, actor, "cluster.reshape", before=before, after=after)


def cluster_verify(*, cluster: Cluster, actor: Actor) -> Operation:
    """Run the documented checks (F213), beside whatever else is asked of the cluster.

    Raises ClusterRefused unless it is RUNNING, OperationConflict while one runs.
    """
    if cluster.state != State.RUNNING:
        raise ClusterRefused(f"{cluster.name} is {cluster.state}; only a RUNNING one answers.")
    return operation_start(
        kind="cluster.verify",
        target_uuid=cluster.check_uuid,
        organization=cluster.workspace.organization,
        workspace=cluster.workspace,
        actor=actor,
    )
