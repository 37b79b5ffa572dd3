"""The steps that run a job: wait for its cluster, hold it, run, read the end, let go."""

from __future__ import annotations

from datetime import datetime, timedelta

from clusters.leases import lease_release, lease_take
from clusters.models import Cluster
from clusters.services import cluster_remove
from jobs import services
from jobs.models import Job
from workspaces.clouds.base import CloudError, CommandState, CommandStatus
from workspaces.models import Operation
from workspaces.operations import Actor, Done, Outcome, Step, Wait, handles
from workspaces.services import cloud_of

HOLDER_KIND = "job"
POLL_SECONDS = 0.5
SLOW_POLL_SECONDS = 1.0
LEASE_SLACK = timedelta(minutes=10)


def _job(step: Step) -> Job:
    rows = Job.objects.select_related(
        "cluster__workspace__organization", "cluster__workspace__cloud_configuration"
    )
    return rows.get(uuid=step.operation.target_uuid)


def _ended(operation: Operation) -> None:
    services.job_mark_ended(
        job_uuid=operation.target_uuid,
        reason=operation.error_code,
        message=operation.error_message,
    )


def undo_job(step: Step) -> Outcome:
    """End what runs of it, then let go of the cluster."""
    job = _job(step)
    cloud = cloud_of(job.cluster.workspace.cloud_configuration)
    status = cloud.cancel_command(services.command_spec(job), reason=step.operation.error_code)
    if status.state not in (CommandState.EXITED, CommandState.ABSENT):
        return Wait(POLL_SECONDS, 90, "Ending its processes")
    if status.state == CommandState.EXITED:
        services.job_record_exit(job=job, status=status)
    for kind, name in step.ledger.open_resources():
        step.ledger.confirm_gone(kind, name)
    _let_go(job)
    return Done("")


def _let_go(job: Job) -> None:
    """F159: a cluster made for the job is removed on any end of it, also on failure."""
    lease_release(holder_uuid=job.uuid)
    if job.cluster.is_dedicated:
        cluster_remove(
            cluster=job.cluster,
            actor=Actor(source=Operation.Source.JOB),
            reason=f"Job {job.name} has ended.",
        )


@handles(
    "job.run",
    undo=undo_job,
    on_failure=_ended,
    deadlines={"cluster": 3600, "run": 366 * 24 * 3600},  # a run has its own timeout
)
def run_job(step: Step) -> Outcome:
    job = _job(step)
    if job.state == Job.State.SUCCEEDED:
        _let_go(job)
        return Done("The command ended with exit code 0")
    if wait := _wait_for_cluster(job, step.now):
        return wait
    cloud = cloud_of(job.cluster.workspace.cloud_configuration)
    status = cloud.ensure_command(services.command_spec(job), step.ledger)
    if status.state == CommandState.EXITED:
        return _settle(step, job, status)
    services.job_mark_running(job=job, status=status)
    if status.state == CommandState.RUNNING:
        return Wait(SLOW_POLL_SECONDS, 50, "The command runs", "run")
    return Wait(POLL_SECONDS, 20, "Fetching the source", "run")


def _wait_for_cluster(job: Job, now: datetime) -> Wait | None:
    """None once the cluster is ready and held by this job (F157, F175)."""
    cluster = job.cluster
    if job.state == Job.State.RUNNING:
        return None
    if cluster.state in (Cluster.State.NEW, Cluster.State.INPROGRESS):
        return Wait(POLL_SECONDS, 5, f"Waiting for cluster {cluster.name}", "cluster")
    if cluster.state != Cluster.State.RUNNING:
        why = f": {cluster.state_reason}" if cluster.state_reason else "."
        raise CloudError("ClusterFailed", f"Cluster {cluster.name} is {cluster.state}{why}")
    until = now + timedelta(minutes=job.timeout_minutes) + LEASE_SLACK
    held = lease_take(
        cluster=cluster, holder_kind=HOLDER_KIND, holder_uuid=job.uuid, now=now, expires_at=until
    )
    if not held:
        raise CloudError(
            "ClusterBusy",
            f"Cluster {cluster.name} was taken by something else first. Choose another one.",
        )
    return None


def _settle(step: Step, job: Job, status: CommandStatus) -> Outcome:
    """Facts first, then the state, then let go: a crash between any two is made good by the next
    step.
    """
    services.job_record_exit(job=job, status=status)
    for kind, name in step.ledger.open_resources():
        step.ledger.confirm_gone(kind, name)
    if status.reason:
        raise _failure(job, status)
    services.job_mark_succeeded(job=job)
    _let_go(job)
    return Done("The command ended with exit code 0")


def _failure(job: Job, status: CommandStatus) -> CloudError:
    if job.cluster.state == Cluster.State.RUNNING:
        return CloudError(status.reason, status.message)
    return CloudError(
        "NodeLost",
        f"Cluster {job.cluster.name} went away while the command ran ({job.cluster.state}). "
        "Run it again on another cluster.",
    )
