"""What is asked when a scheduled job or a further attempt begins, not only when it was submitted:
rights and budgets may have changed since.
"""

from __future__ import annotations

from django.db import transaction

from clusters.models import Cluster
from clusters.services import cluster_act
from jobs.models import Job
from workspaces.guards import SpendingRefused, spending_check
from workspaces.models import Operation
from workspaces.operations import Actor
from workspaces.permissions import role_may, workspace_role

# The verb that makes a cluster in this state RUNNING.
WAKING_VERBS = {Cluster.State.PAUSED: "resume", Cluster.State.STOPPED: "start"}


class StartRefused(Exception):  # noqa: N818 - an expected refusal, with a sentence for the user
    pass


def job_check_start(*, job: Job) -> None:
    """Raises StartRefused when whoever submitted the job may run none here any more, or when a
    spending guard says no.
    """
    _check_right(job, "job.create", "run jobs")
    _check_spending(job)


def _check_right(job: Job, action: str, words: str) -> None:
    person = job.created_by
    if person is None or not person.is_active:
        raise StartRefused(
            "Whoever submitted this job has no account any more. "
            "Somebody who may run jobs in this workspace can run it again."
        )
    if not role_may(workspace_role(person, job.workspace), action):
        raise StartRefused(
            f"{person} submitted this job and may not {words} in this workspace any more. "
            "Somebody who may can run it again."
        )


def _check_spending(job: Job) -> None:
    try:
        spending_check(workspace=job.workspace, actor=_on_behalf(job))
    except SpendingRefused as error:
        raise StartRefused(str(error)) from error


def _on_behalf(job: Job) -> Actor:
    return Actor(job.created_by, Operation.Source.JOB)


@transaction.atomic
def job_wake_cluster(*, job: Job) -> None:
    """Have the paused or stopped cluster resumed for a job that is due (K5), once.

    The job remembers the operation in the same transaction, so a worker that dies right after it
    has not forgotten that it asked. Raises StartRefused; ClusterRefused and OperationConflict when
    something else is being done to the cluster.
    """
    row = Job.objects.select_for_update().get(pk=job.pk)
    if row.state != Job.State.PENDING or row.waking_uuid is not None:
        return
    _check_right(job, "cluster.change", "resume clusters")
    try:
        operation = cluster_act(
            cluster=job.cluster,
            verb=WAKING_VERBS[Cluster.State(job.cluster.state)],
            actor=_on_behalf(job),
            reason=f"Job {job.name} is due.",
        )
    except SpendingRefused as error:
        raise StartRefused(str(error)) from error
    Job.objects.filter(pk=job.pk).update(waking_uuid=operation.uuid)
