"""The steps of everything that is done to a cluster."""

from __future__ import annotations

from clusters import services
from clusters.models import Cluster
from workspaces.clouds.base import CloudError, ClusterPhase, Progress
from workspaces.guards import SpendingRefused, spending_check
from workspaces.models import Operation
from workspaces.operations import Actor, Done, Outcome, Step, Wait, handles
from workspaces.operations.registry import FailureHook
from workspaces.services import cloud_of

State = Cluster.State
POLL_SECONDS = 0.3
START_DEADLINES: dict[str, int] = {
    ClusterPhase.RUNTIME: 1800,  # a download of half a gigabyte
    ClusterPhase.NODES: 300,
    ClusterPhase.ENGINES: 180,
}


def _cluster(step: Step) -> Cluster:
    rows = Cluster.objects.select_related(
        "workspace__organization", "workspace__cloud_configuration"
    )
    return rows.get(uuid=step.operation.target_uuid)


def _failed(operation: Operation) -> None:
    services.cluster_mark_failed(cluster_uuid=operation.target_uuid, reason=operation.error_message)


def _returns_to(state: str) -> FailureHook:
    def hook(operation: Operation) -> None:
        services.cluster_mark_returned(
            cluster_uuid=operation.target_uuid, state=state, reason=operation.error_message
        )

    return hook


def _wait(progress: Progress) -> Wait:
    return Wait(POLL_SECONDS, progress.percent, progress.message, progress.phase)


def _take_away(step: Step) -> Outcome:
    """Machines, folder, and what notebooks had of it: their kernel and key (F141)."""
    cluster = _cluster(step)
    services.attachments_end(cluster=cluster)
    cloud = cloud_of(cluster.workspace.cloud_configuration)
    services.packages_keep(cluster=cluster, cloud=cloud)
    progress = cloud.remove_cluster(services.cluster_spec(cluster), step.ledger)
    return Done(progress.message) if progress.is_done else _wait(progress)


def _end_processes(step: Step) -> Outcome:
    cluster = _cluster(step)
    cloud = cloud_of(cluster.workspace.cloud_configuration)
    services.packages_keep(cluster=cluster, cloud=cloud)
    progress = cloud.stop_cluster(services.cluster_spec(cluster))
    return Done(progress.message) if progress.is_done else _wait(progress)


def _bring_up(step: Step) -> Outcome:
    """To READY with the size that the row asks for, from whatever is there."""
    cluster = _cluster(step)
    if cluster.state == State.RUNNING:  # a worker died between the meter's start and its report
        return Done(f"{cluster.name} is RUNNING")
    cloud = cloud_of(cluster.workspace.cloud_configuration)
    status = cloud.ensure_cluster(services.cluster_spec(cluster), step.ledger)
    services.cluster_record_nodes(cluster=cluster, nodes=status.nodes)
    if status.phase == ClusterPhase.FAILED:
        raise status.error or CloudError("Failed", status.message)
    if status.phase != ClusterPhase.READY:
        return Wait(POLL_SECONDS, status.percent, status.message, status.phase)
    services.cluster_mark_ready(cluster=cluster, now=step.now)
    return Done(status.message)


@handles("cluster.clean", on_failure=_failed)
def clean_cluster(step: Step) -> Outcome:
    """Leave nothing of a failed or lost cluster running or reserved; its row stays, FAILED, to be
    retried or removed.
    """
    return _take_away(step)


@handles("cluster.create", undo=clean_cluster, on_failure=_failed, deadlines=START_DEADLINES)
def create_cluster(step: Step) -> Outcome:
    cluster = _cluster(step)
    if cluster.state == State.NEW and cluster.is_dedicated:
        _ask_guards(step, cluster)
    services.cluster_mark_starting(cluster=cluster)
    return _bring_up(step)


def _ask_guards(step: Step, cluster: Cluster) -> None:
    """The cluster of a scheduled job begins long after it was asked for."""
    actor = Actor(step.operation.requested_by, step.operation.source)
    try:
        spending_check(workspace=cluster.workspace, actor=actor)
    except SpendingRefused as error:
        raise CloudError("Refused", str(error)) from error


@handles("cluster.remove", on_failure=_failed)
def remove_cluster(step: Step) -> Outcome:
    outcome = _take_away(step)
    if isinstance(outcome, Done):
        services.cluster_mark_removed(cluster=_cluster(step))
    return outcome


@handles("cluster.pause", on_failure=_failed)
def pause_cluster(step: Step) -> Outcome:
    """Machines stopped, disks kept: resumes fast, but asks for all machines at once (G007)."""
    outcome = _end_processes(step)
    if isinstance(outcome, Done):
        services.cluster_mark_settled(
            cluster=_cluster(step), before=State.PAUSING, after=State.PAUSED
        )
    return outcome


@handles("cluster.stop", on_failure=_failed)
def stop_cluster(step: Step) -> Outcome:
    """Machines gone, definition kept: costs nothing, starts slower (G007)."""
    outcome = _take_away(step)
    if isinstance(outcome, Done):
        services.cluster_mark_settled(
            cluster=_cluster(step), before=State.STOPPING, after=State.STOPPED
        )
    return outcome


@handles(
    "cluster.resume",
    undo=_end_processes,
    on_failure=_returns_to(State.PAUSED),
    deadlines=START_DEADLINES,
)
def resume_cluster(step: Step) -> Outcome:
    return _bring_up(step)


@handles(
    "cluster.start",
    undo=_take_away,
    on_failure=_returns_to(State.STOPPED),
    deadlines=START_DEADLINES,
)
def start_cluster(step: Step) -> Outcome:
    return _bring_up(step)


RESTARTING = "stopped"  # a phase that outlives the worker: what was ended is not ended again


@handles("cluster.restart", undo=clean_cluster, on_failure=_failed, deadlines=START_DEADLINES)
def restart_cluster(step: Step) -> Outcome:
    if step.operation.phase:
        return _bring_up(step)
    outcome = _end_processes(step)
    return Wait(0, 20, outcome.message, RESTARTING) if isinstance(outcome, Done) else outcome


def _back_to_size(step: Step) -> Outcome:
    """What could not be scaled runs again as it was."""
    services.cluster_return_to_size(cluster=_cluster(step))
    return _bring_up(step)


def _still_not_running(operation: Operation) -> None:
    """Scaling failed; FAILED only if the size of before did not come back either."""
    services.cluster_mark_returned(
        cluster_uuid=operation.target_uuid, state=State.FAILED, reason=operation.error_message
    )


@handles(
    "cluster.scale", undo=_back_to_size, on_failure=_still_not_running, deadlines=START_DEADLINES
)
def scale_cluster(step: Step) -> Outcome:
    """Running work never sees it: a cluster that somebody holds is not scaled (F181)."""
    cluster = _cluster(step)
    cloud = cloud_of(cluster.workspace.cloud_configuration)
    services.packages_keep(cluster=cluster, cloud=cloud)
    return _bring_up(step)


@handles("cluster.verify")
def verify_cluster(step: Step) -> Outcome:
    """The documented checks, one per step, with what they print (F213)."""
    rows = Cluster.objects.select_related("workspace__cloud_configuration")
    cluster = rows.get(check_uuid=step.operation.target_uuid)
    cloud = cloud_of(cluster.workspace.cloud_configuration)
    number = int(step.operation.phase or "0")
    check = cloud.check_connection(services.cluster_spec(cluster), number)
    if check is None:
        return Done("All commands succeeded: workloads can run across the cluster")
    told = f"$ {check.name}\n{check.detail}"
    if not check.ok:
        raise CloudError("ConnectionCheck", told)
    return Wait(0, min(90, 30 * (number + 1)), told, str(number + 1))
