"""All writes to jobs."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from clusters.models import Cluster
from clusters.services import cluster_spec
from jobs.models import Job
from workspaces.clouds.base import CommandSpec, CommandStatus, GitSource
from workspaces.guards import spending_check
from workspaces.models import Operation, Workspace
from workspaces.operations import Actor, operation_cancel, operation_start
from workspaces.services import timeline_record

State = Job.State


class JobRefused(Exception):  # noqa: N818 - an expected refusal, with a sentence for the user
    pass


def command_spec(job: Job) -> CommandSpec:
    """What a driver must know; ``job.cluster.workspace`` is read. Holds the plain variables."""
    return CommandSpec(
        uuid=job.uuid,
        cluster=cluster_spec(job.cluster),
        argv=job.argv,
        source=GitSource(url=job.source_url),
        timeout_seconds=job.timeout_minutes * 60,
        environment=job.environment,
    )


@transaction.atomic
def job_create(
    *,
    uuid: UUID,
    workspace: Workspace,
    name: str,
    cluster: Cluster,
    command: str,
    source_url: str,
    environment: dict[str, str],
    timeout_minutes: int,
    actor: Actor,
) -> Job:
    """Write job and operation. A second submit of the same form finds the first one's job.

    Raises JobRefused, SpendingRefused.
    """
    if earlier := Job.objects.filter(uuid=uuid, workspace=workspace).first():
        return earlier
    if cluster.workspace_id != workspace.pk:
        raise JobRefused("That cluster is not in this workspace.")
    spending_check(workspace=workspace, actor=actor)
    job = Job(
        uuid=uuid,
        workspace=workspace,
        created_by=actor.user,
        cluster=cluster,
        name=name,
        command=command,
        source_url=source_url,
        timeout_minutes=timeout_minutes,
        created_at=timezone.now(),
    )
    job.environment = environment
    try:
        with transaction.atomic():
            job.save(force_insert=True)
    except IntegrityError:
        return Job.objects.get(uuid=uuid, workspace=workspace)
    _note(job, actor, "job.create", after={"command": command, "cluster": cluster.name})
    operation_start(
        kind="job.run",
        target_uuid=job.uuid,
        organization=workspace.organization,
        workspace=workspace,
        actor=actor,
    )
    return job


@transaction.atomic
def job_cancel(*, job: Job, actor: Actor) -> bool:
    """Ask the run to end; its processes are gone before it says CANCELLED. False: had ended."""
    operation = Operation.objects.unsettled().for_target(job.uuid).first()
    if operation is None or not operation_cancel(operation=operation):
        return False
    Job.objects.unsettled().filter(pk=job.pk).update(state=State.CANCELLING)
    _note(job, actor, "job.cancel", before={"state": job.state})
    return True


def job_mark_running(*, job: Job, status: CommandStatus) -> None:
    Job.objects.filter(pk=job.pk, state=State.PENDING).update(
        state=State.RUNNING,
        started_at=_time(status.started_at) or timezone.now(),
        source_commit=status.source_commit,
    )


def job_record_exit(*, job: Job, status: CommandStatus) -> None:
    """Facts of the run, before the state is settled; writing them twice changes nothing."""
    Job.objects.unsettled().filter(pk=job.pk).update(
        exit_code=status.exit_code,
        source_commit=status.source_commit,
        started_at=_time(status.started_at) or job.started_at,
        finished_at=_time(status.finished_at) or timezone.now(),
        message=status.message,
    )


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


def _note(
    job: Job,
    actor: Actor,
    action: str,
    *,
    before: dict[str, object] | None = None,
    after: dict[str, object] | None = None,
) -> None:
    timeline_record(
        organization=job.workspace.organization,
        workspace=job.workspace,
        actor=actor,
        action=action,
        target_uuid=job.uuid,
        target_name=job.name,
        before=before,
        after=after,
    )
