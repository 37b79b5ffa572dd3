"""What the steps of a job write down: attempts, facts of a run, and the end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from clusters.services import cluster_spec
from jobs.models import Job, JobAttempt
from jobs.reasons import reason_named
from workspaces.clouds.commands import CommandSpec, CommandStatus, GitSource, WorkspaceSource

State = Job.State


def command_spec(job: Job) -> CommandSpec:
    """The current attempt, as a driver must know it; ``job.cluster.workspace`` is read. Holds the
    plain secrets.
    """
    return CommandSpec(
        uuid=job.command_uuid,
        cluster=cluster_spec(job.cluster),
        argv=job.argv,
        source=_source(job),
        timeout_seconds=job.timeout_minutes * 60,
        environment=job.environment,
        secret_values=job.secret_values,
    )


def _source(job: Job) -> GitSource | WorkspaceSource:
    if job.source_kind == Job.SourceKind.WORKSPACE:
        return WorkspaceSource(job.source_folder)
    return GitSource(job.source_url, job.reference, job.username, job.password)


@transaction.atomic
def job_mark_running(*, job: Job, status: CommandStatus) -> None:
    moved = Job.objects.filter(pk=job.pk, state=State.PENDING, attempt=job.attempt).update(
        state=State.RUNNING,
        started_at=job.started_at or _time(status.started_at) or timezone.now(),
        source_commit=status.source_commit,
    )
    if moved:
        _attempt_write(job, status)


@transaction.atomic
def job_record_exit(*, job: Job, status: CommandStatus) -> None:
    """Facts of the run, before the state is settled; writing them twice changes nothing."""
    written = (
        Job.objects.unsettled()
        .filter(pk=job.pk, attempt=job.attempt)
        .update(
            exit_code=status.exit_code,
            source_commit=status.source_commit,
            started_at=job.started_at or _time(status.started_at),
            finished_at=_time(status.finished_at) or timezone.now(),
            message=status.message,
        )
    )
    if written:
        _attempt_write(
            job,
            status,
            reason=reason_named(status.reason),
            message=status.message,
            exit_code=status.exit_code,
            finished_at=_time(status.finished_at) or timezone.now(),
        )


def _attempt_write(job: Job, status: CommandStatus, **facts: object) -> None:
    started_at = _time(status.started_at) or timezone.now()
    JobAttempt.objects.update_or_create(
        job=job,
        number=job.attempt,
        defaults={"source_commit": status.source_commit, **facts},
        create_defaults={
            "source_commit": status.source_commit,
            "started_at": started_at,
            **facts,
        },
    )


def job_begin_retry(*, job: Job, now: datetime) -> datetime | None:
    """The next attempt is due after the delay; answers when. None: another step was first."""
    at = now + timedelta(minutes=job.retry_delay_minutes)
    moved = Job.objects.filter(
        pk=job.pk, attempt=job.attempt, state__in=(State.PENDING, State.RUNNING)
    ).update(
        attempt=job.attempt + 1,
        state=State.PENDING,
        next_attempt_at=at,
        exit_code=None,
        message="",
        finished_at=None,
    )
    return at if moved else None


def job_move_retry(*, job: Job, at: datetime) -> datetime:
    """The moment of the attempt that waits; answers it."""
    Job.objects.filter(pk=job.pk, attempt=job.attempt).update(next_attempt_at=at)
    return at


def job_mark_succeeded(*, job: Job) -> None:
    Job.objects.unsettled().filter(pk=job.pk).update(state=State.SUCCEEDED, reason="")


def job_mark_ended(*, job_uuid: UUID, reason: str, message: str) -> None:
    """FAILED, TIMEOUT or CANCELLED by the reason."""
    state = {"Cancelled": State.CANCELLED, "Timeout": State.TIMEOUT}.get(reason, State.FAILED)
    ended = Job.objects.unsettled().filter(uuid=job_uuid)
    ended.filter(finished_at=None).update(finished_at=timezone.now())
    ended.update(state=state, reason=reason, message=message)


def _time(epoch: float | None) -> datetime | None:
    return datetime.fromtimestamp(epoch, UTC) if epoch else None
