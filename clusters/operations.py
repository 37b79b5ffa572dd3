"""The steps that create a cluster and take it away."""

from __future__ import annotations

from clusters import services
from clusters.models import Cluster
from workspaces.clouds.base import CloudError, ClusterPhase
from workspaces.models import Operation
from workspaces.operations import Done, Outcome, Step, Wait, handles
from workspaces.services import cloud_of

POLL_SECONDS = 0.3


def _cluster(step: Step) -> Cluster:
    rows = Cluster.objects.select_related(
        "workspace__organization", "workspace__cloud_configuration"
    )
    return rows.get(uuid=step.operation.target_uuid)


def _failed(operation: Operation) -> None:
    services.cluster_mark_failed(cluster_uuid=operation.target_uuid, reason=operation.error_message)


@handles("cluster.clean", on_failure=_failed)
def clean_cluster(step: Step) -> Outcome:
    """Leave nothing of a failed or lost cluster running or reserved; its row stays, FAILED, to be
    retried or removed.
    """
    cluster = _cluster(step)
    cloud = cloud_of(cluster.workspace.cloud_configuration)
    progress = cloud.remove_cluster(services.cluster_spec(cluster), step.ledger)
    if not progress.is_done:
        return Wait(POLL_SECONDS, progress.percent, progress.message)
    return Done(progress.message)


@handles(
    "cluster.create",
    undo=clean_cluster,
    on_failure=_failed,
    deadlines={
        ClusterPhase.RUNTIME: 1800,  # a download of half a gigabyte
        ClusterPhase.NODES: 300,
        ClusterPhase.ENGINES: 180,
    },
)
def create_cluster(step: Step) -> Outcome:
    cluster = _cluster(step)
    services.cluster_mark_starting(cluster=cluster)
    cloud = cloud_of(cluster.workspace.cloud_configuration)
    status = cloud.ensure_cluster(services.cluster_spec(cluster), step.ledger)
    services.cluster_record_nodes(cluster=cluster, nodes=status.nodes)
    if status.phase == ClusterPhase.FAILED:
        raise status.error or CloudError("Failed", status.message)
    if status.phase != ClusterPhase.READY:
        return Wait(POLL_SECONDS, status.percent, status.message, status.phase)
    services.cluster_mark_ready(cluster=cluster, now=step.now)
    return Done(status.message)


@handles("cluster.remove", on_failure=_failed)
def remove_cluster(step: Step) -> Outcome:
    cluster = _cluster(step)
    cloud = cloud_of(cluster.workspace.cloud_configuration)
    progress = cloud.remove_cluster(services.cluster_spec(cluster), step.ledger)
    if not progress.is_done:
        return Wait(POLL_SECONDS, progress.percent, progress.message, progress.phase)
    services.cluster_mark_removed(cluster=cluster)
    return Done(progress.message)
