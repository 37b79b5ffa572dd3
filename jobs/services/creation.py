"""Submitting a job, once or again, and cancelling it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid5

from django.db import IntegrityError, transaction
from django.utils import timezone

from clusters.models import Cluster
from clusters.services import Extras, cluster_create, cluster_spec
from jobs.models import Job
from workspaces.clouds.base import InstanceType
from workspaces.guards import spending_check
from workspaces.models import Operation, Workspace
from workspaces.operations import Actor, operation_cancel, operation_postpone, operation_start
from workspaces.services import timeline_note

State = Job.State


class JobRefused(Exception):  # noqa: N818 - an expected refusal, with a sentence for the user
    pass


@dataclass(frozen=True)
class Source:
    """Git at ``url``, or the ``folder`` of the workspace's shared tree (K9)."""

    kind: str = Job.SourceKind.GIT
    url: str = ""
    folder: str = ""
    reference: str = ""
    username: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True)
class Schedule:
    """``at`` None is at once; ``time_zone`` is the one that the user thinks in."""

    at: datetime | None = None
    time_zone: str = "UTC"


@dataclass(frozen=True)
class Retries:
    """G013."""

    count: int = 0
    delay_minutes: int = 1
    on_timeout: bool = False


@transaction.atomic
def job_create(
    *,
    uuid: UUID,
    workspace: Workspace,
    name: str,
    cluster: Cluster,
    command: str,
    source: Source,
    environment: dict[str, str],
    timeout_minutes: int,
    actor: Actor,
    schedule: Schedule = Schedule(),
    retries: Retries = Retries(),
) -> Job:
    """Write job and operation. A second submit of the same form finds the first one's job.

    A cluster made for the job is not begun before the job's time. Raises JobRefused,
    SpendingRefused.
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
        source_kind=source.kind,
        source_url=source.url,
        source_folder=source.folder,
        reference=source.reference,
        username=source.username,
        timeout_minutes=timeout_minutes,
        retries=retries.count,
        retry_delay_minutes=retries.delay_minutes,
        is_retried_on_timeout=retries.on_timeout,
        time_zone=schedule.time_zone,
        created_at=timezone.now(),
        scheduled_at=schedule.at,
    )
    job.environment = environment
    job.password = source.password
    try:
        with transaction.atomic():
            job.save(force_insert=True)
    except IntegrityError as error:
        if earlier := Job.objects.filter(uuid=uuid, workspace=workspace).first():
            return earlier
        raise JobRefused("This form was used elsewhere. Open it anew.") from error
    _start(job, actor)
    return job


def _start(job: Job, actor: Actor) -> None:
    workspace, at = job.workspace, job.scheduled_at
    after: dict[str, object] = {"command": job.command, "cluster": job.cluster.name}
    if at:
        after["scheduled_at"] = at.isoformat()
        if job.cluster.is_dedicated:
            operation_postpone(target_uuid=job.cluster.uuid, until=at)
    timeline_note(job.workspace, job, actor, "job.create", after=after)
    operation_start(
        kind="job.run",
        target_uuid=job.uuid,
        organization=workspace.organization,
        workspace=workspace,
        actor=actor,
        start_at=at,
    )


def cluster_for_job(
    *,
    job_uuid: UUID,
    job_name: str,
    workspace: Workspace,
    instance_type: InstanceType,
    node_count: int,
    bodo_version: str,
    actor: Actor,
) -> Cluster:
    """V16: it appears in Clusters under the job's name. A second submit finds the first one's.

    Raises ClusterRefused, SpendingRefused.
    """
    if earlier := Job.objects.filter(uuid=job_uuid, workspace=workspace).first():
        return earlier.cluster
    taken = Cluster.objects.live().filter(workspace=workspace, name__iexact=job_name)
    return cluster_create(
        uuid=uuid5(job_uuid, "cluster"),
        workspace=workspace,
        name=f"{job_name[:70]} {str(job_uuid)[:8]}" if taken.exists() else job_name,
        instance_type=instance_type,
        node_count=node_count,
        bodo_version=bodo_version,
        extras=Extras(is_dedicated=True),
        actor=actor,
    )


@transaction.atomic
def job_run_again(*, uuid: UUID, job: Job, actor: Actor) -> Job:
    """A new job, now, with everything of the old one, its sealed values too.

    On the same cluster if that is free, or on a new one like the dedicated one it had. Raises
    JobRefused, ClusterRefused, SpendingRefused.
    """
    return job_create(
        uuid=uuid,
        workspace=job.workspace,
        name=job.name,
        cluster=_cluster_again(uuid, job, actor),
        command=job.command,
        source=Source(
            kind=job.source_kind,
            url=job.source_url,
            folder=job.source_folder,
            reference=job.reference,
            username=job.username,
            password=job.password,
        ),
        environment=job.environment,
        timeout_minutes=job.timeout_minutes,
        retries=Retries(job.retries, job.retry_delay_minutes, job.is_retried_on_timeout),
        actor=actor,
    )


def _cluster_again(uuid: UUID, job: Job, actor: Actor) -> Cluster:
    cluster = job.cluster
    if cluster.is_dedicated:
        return cluster_for_job(
            job_uuid=uuid,
            job_name=job.name,
            workspace=job.workspace,
            instance_type=cluster_spec(cluster).instance_type,
            node_count=cluster.node_count,
            bodo_version=cluster.bodo_version,
            actor=actor,
        )
    is_repeated = Job.objects.filter(uuid=uuid, workspace=job.workspace).exists()
    if not is_repeated and not Cluster.objects.free(timezone.now()).filter(pk=cluster.pk).exists():
        raise JobRefused(f"Cluster {cluster.name} is not free now. Choose another one here.")
    return cluster


@transaction.atomic
def job_cancel(*, job: Job, actor: Actor) -> bool:
    """Ask the run to end; its processes are gone before it says CANCELLED. False: had ended."""
    operation = Operation.objects.unsettled().for_target(job.uuid).first()
    if operation is None or not operation_cancel(operation=operation):
        return False
    Job.objects.unsettled().filter(pk=job.pk).update(state=State.CANCELLING)
    timeline_note(job.workspace, job, actor, "job.cancel", before={"state": job.state})
    return True
