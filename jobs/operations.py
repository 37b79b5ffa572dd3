"""The steps that run a job: wait for its time, ask once more whether it may begin, wait for its
cluster, hold it, run, read the end, try again if that was asked for, let go.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone

from clusters.leases import lease_release, lease_take
from clusters.models import Cluster
from clusters.services import ClusterRefused, cluster_remove
from jobs import services
from jobs.models import Job
from jobs.reasons import REFUSED, is_worth_a_retry, reason_named
from workspaces.clouds.base import Cloud, CloudError, ClusterPhase
from workspaces.clouds.commands import CommandState, CommandStatus
from workspaces.models import Operation
from workspaces.models.operations import CLOCK_SLACK
from workspaces.operations import Actor, Done, OperationConflict, Outcome, Step, Wait, handles
from workspaces.services import cloud_of

HOLDER_KIND = "job"
POLL_SECONDS = 0.5
SLOW_POLL_SECONDS = 1.0
LEASE_SLACK = timedelta(hours=2)  # its end lets go of it; a clock may be set while it runs
A_YEAR = 366 * 24 * 3600
BEFORE_START = ("", "schedule", "retry")  # phases in which nothing of the attempt has begun
FALLING_ASLEEP = (Cluster.State.PAUSING, Cluster.State.STOPPING)
MAYBE_NODE_LOST = frozenset({"NodeLost", "Lost", "NonZeroExitCode"})
STARTING = (Cluster.State.NEW, Cluster.State.INPROGRESS, Cluster.State.INITIALIZING)


def _job(step: Step) -> Job:
    rows = Job.objects.select_related(
        "cluster__workspace__organization",
        "cluster__workspace__cloud_configuration",
        "workspace__organization",
        "created_by",
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
    # A run has its own timeout; waiting for a time that the user chose is not slowness.
    deadlines={"cluster": 3600, "run": A_YEAR, "schedule": 10 * A_YEAR, "retry": A_YEAR},
)
def run_job(step: Step) -> Outcome:
    job = _job(step)
    if job.state == Job.State.SUCCEEDED:
        _let_go(job)
        return Done("The command ended with exit code 0")
    if wait := _wait_for_time(job, step.now):
        return wait
    _ask_once_more(step, job)
    if wait := _wait_for_cluster(job, step.now, has_begun=step.operation.phase == "run"):
        return wait
    cloud = cloud_of(job.cluster.workspace.cloud_configuration)
    try:
        status = cloud.ensure_command(services.command_spec(job), step.ledger)
    except CloudError as error:
        if error.code != "ClusterNotReady":
            raise
        raise _node_lost(job.cluster) from error  # it was ready when this job took it
    if status.state == CommandState.EXITED:
        return _settle(step, job, status, cloud)
    services.job_mark_running(job=job, status=status)
    if status.state == CommandState.RUNNING:
        return Wait(SLOW_POLL_SECONDS, 50, "The command runs", "run")
    return Wait(POLL_SECONDS, 20, "Fetching the source", "run")


def _wait_for_time(job: Job, now: datetime) -> Wait | None:
    """Between two attempts the cluster stays ours."""
    at = job.not_before
    if at is None or now >= at or job.state == Job.State.RUNNING:
        return None
    delay = timedelta(minutes=job.retry_delay_minutes)
    if job.next_attempt_at and at > now + delay + CLOCK_SLACK:  # the clock was set back
        at = services.job_move_retry(job=job, at=now + delay)
    seconds = (at - now).total_seconds()
    if job.next_attempt_at is None:
        return Wait(seconds, 0, f"Waiting until {job.schedule_words}", "schedule")
    _hold(job, at)
    message = f"Attempt {job.attempt} of {job.retries + 1} begins at {at:%H:%M:%S} UTC"
    return Wait(seconds, 10, message, "retry")


def _ask_once_more(step: Step, job: Job) -> None:
    """What waited for its time may be refused by now. The phase tells that the wait was just over:
    what is under way is not asked again.
    """
    if job.not_before is None or step.operation.phase not in BEFORE_START:
        return
    try:
        services.job_check_start(job=job)
    except services.StartRefused as error:
        raise CloudError(REFUSED, str(error)) from error


def _wait_for_cluster(job: Job, now: datetime, *, has_begun: bool) -> Wait | None:
    """None once the cluster is ready and held by this job (F157, F175)."""
    cluster = job.cluster
    if job.state == Job.State.RUNNING:
        return None
    if cluster.state in STARTING:
        return Wait(POLL_SECONDS, 5, f"Waiting for cluster {cluster.name}", "cluster")
    if job.scheduled_at and cluster.removal_requested_at is None:
        if cluster.state in FALLING_ASLEEP:
            message = f"Cluster {cluster.name} is {cluster.state}; it is resumed after that"
            return Wait(POLL_SECONDS, 2, message, "cluster")
        if cluster.is_asleep:
            return _wake_cluster(job, now)
    if cluster.state != Cluster.State.RUNNING:
        if has_begun or cluster.leases.filter(holder_uuid=job.uuid).exists():
            raise _node_lost(cluster)
        why = f": {cluster.state_reason}" if cluster.state_reason else "."
        raise CloudError("ClusterFailed", f"Cluster {cluster.name} is {cluster.state}{why}")
    if not _hold(job, now):
        raise _busy(cluster)
    return None


def _wake_cluster(job: Job, now: datetime) -> Wait:
    """K5: schedules resume a paused cluster. Once: what did not work then fails the job."""
    cluster = job.cluster
    if job.waking_uuid is None:
        if cluster.holder(now) is not None:
            raise _busy(cluster)
        try:
            services.job_wake_cluster(job=job)
        except services.StartRefused as error:
            raise CloudError(REFUSED, str(error)) from error
        except (ClusterRefused, OperationConflict):
            message = f"Something else is being done to cluster {cluster.name}"
            return Wait(SLOW_POLL_SECONDS, 2, message, "cluster")
        return Wait(POLL_SECONDS, 5, f"Resuming cluster {cluster.name}", "cluster")
    waking = Operation.objects.get(uuid=job.waking_uuid)
    why = waking.error_message or "It was paused again before the job began."
    raise CloudError(
        "ClusterFailed", f"Cluster {cluster.name} could not be resumed for this job: {why}"
    )


def _busy(cluster: Cluster) -> CloudError:
    return CloudError(
        "ClusterBusy",
        f"Cluster {cluster.name} was taken by something else first. Choose another one.",
    )


def _hold(job: Job, start: datetime) -> bool:
    """Take or keep the cluster for an attempt that begins then."""
    until = start + timedelta(minutes=job.timeout_minutes) + LEASE_SLACK
    return lease_take(
        cluster=job.cluster,
        holder_kind=HOLDER_KIND,
        holder_uuid=job.uuid,
        now=timezone.now(),
        expires_at=until,
    )


def _settle(step: Step, job: Job, status: CommandStatus, cloud: Cloud) -> Outcome:
    """Facts first, then the state, then let go: a crash between any two is made good by the next
    step.
    """
    services.job_record_exit(job=job, status=status)
    for kind, name in step.ledger.open_resources():
        step.ledger.confirm_gone(kind, name)
    if status.reason:
        return _try_again(job, _failure(job, status, cloud), step.now)
    services.job_mark_succeeded(job=job)
    _let_go(job)
    return Done("The command ended with exit code 0")


def _failure(job: Job, status: CommandStatus, cloud: Cloud) -> CloudError:
    """What a dead cluster takes along looks like a program's own end or a lost watcher."""
    if status.reason in MAYBE_NODE_LOST and _is_cluster_gone(job, status, cloud):
        return _node_lost(job.cluster)
    return CloudError(reason_named(status.reason), status.message)


def _is_cluster_gone(job: Job, status: CommandStatus, cloud: Cloud) -> bool:
    """By its row, or by a look at it where the platform may not have noticed yet."""
    if job.cluster.state != Cluster.State.RUNNING:
        return True
    if status.reason != "Lost":
        return False
    seen = cloud.observe_clusters([job.cluster.uuid]).get(job.cluster.uuid)
    return seen is None or seen.phase in (ClusterPhase.ABSENT, ClusterPhase.FAILED)


def _node_lost(cluster: Cluster) -> CloudError:
    state = "" if cluster.state == Cluster.State.RUNNING else f" ({cluster.state})"
    return CloudError(
        "NodeLost",
        f"Cluster {cluster.name} went away while this job had it{state}. "
        "Run it again on another cluster.",
    )


def _try_again(job: Job, failure: CloudError, now: datetime) -> Wait:
    """Raises the failure when no attempt is left, or none would help (G013)."""
    is_useful = is_worth_a_retry(failure.code, on_timeout=job.is_retried_on_timeout)
    if not is_useful or job.attempt > job.retries:
        raise failure
    at = services.job_begin_retry(job=job, now=now)
    if at is None:
        raise failure
    message = (
        f"Attempt {job.attempt} of {job.retries + 1} ended ({failure.code}). "
        f"The next one begins at {at:%H:%M:%S} UTC"
    )
    return Wait((at - now).total_seconds(), 10, message, "retry")
