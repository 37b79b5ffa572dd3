"""A scheduled job resumes its paused or stopped cluster at its time (K5)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from clusters.leases import lease_take
from clusters.models import Cluster
from clusters.services import cluster_act, cluster_remove
from jobs.models import Job
from tests.fake_cloud import FakeCloud
from workspaces.clouds.base import ClusterPhase
from workspaces.models import Operation, TimelineEntry, Workspace, WorkspaceMembership
from workspaces.operations import Actor
from workspaces.operations.runner import run_step


@pytest.fixture
def asleep(free: Cluster, run_operations: Callable[..., int]) -> Callable[[str], Cluster]:
    """``asleep("pause")``: the free cluster, PAUSED."""

    def make(verb: str) -> Cluster:
        cluster_act(cluster=free, verb=verb, actor=Actor())
        run_operations()
        free.refresh_from_db()
        return free

    return make


@pytest.fixture
def schedule(post: Callable[..., Any]) -> Callable[..., Job]:
    def make(cluster: Cluster, **changes: object) -> Job:
        uuid = uuid4()
        at = timezone.now() + timedelta(days=1)
        when = {"schedule_kind": "AT", "scheduled_on": f"{at:%Y-%m-%dT09:00}", "time_zone": "UTC"}
        response = post(uuid=uuid, cluster=cluster.pk, **when, **changes)
        assert response.status_code == 302, response.content.decode()
        return Job.objects.get(uuid=uuid)

    return make


def _its_time_comes(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(scheduled_at=timezone.now())


def _step(target: UUID) -> None:
    operation = Operation.objects.unsettled().for_target(target).get()
    Operation.objects.filter(pk=operation.pk).update(next_step_at=timezone.now())
    run_step(operation.pk)


def _carry_on() -> None:
    """Job and cluster in turn, as workers would, until nothing is open."""
    for _ in range(20):
        for target in Operation.objects.unsettled().values_list("target_uuid", flat=True):
            _step(target)
    assert not Operation.objects.unsettled().exists()


def _fresh(job: Job) -> Job:
    return Job.objects.select_related("cluster").get(pk=job.pk)


@pytest.mark.parametrize(("verb", "kind"), [("pause", "cluster.resume"), ("stop", "cluster.start")])
def test_cluster_is_resumed_and_the_job_runs(
    asleep: Callable[[str], Cluster],
    schedule: Callable[..., Job],
    verb: str,
    kind: str,
) -> None:
    """K5, F175."""
    job = schedule(asleep(verb))
    _its_time_comes(job)

    _carry_on()

    job = _fresh(job)
    waking = Operation.objects.get(uuid=job.waking_uuid)
    entry = TimelineEntry.objects.get(action=kind)
    assert (job.status, job.cluster.state) == ("FINISHED", "RUNNING")
    assert (waking.kind, waking.source, waking.requested_by) == (kind, "job", job.created_by)
    assert entry.reason == "Job Nightly is due."


def test_nothing_is_resumed_before_the_time(
    asleep: Callable[[str], Cluster], schedule: Callable[..., Job]
) -> None:
    job = schedule(asleep("pause"))

    _step(job.uuid)

    assert _fresh(job).cluster.state == "PAUSED"


def test_pages_tell_that_it_will_be_resumed(
    asleep: Callable[[str], Cluster],
    schedule: Callable[..., Job],
    person: Client,
    workspace: Workspace,
) -> None:
    """K5."""
    cluster = asleep("pause")
    form = person.get(reverse("jobs:create", args=[workspace.uuid])).content.decode()

    job = schedule(cluster)

    page = person.get(reverse("jobs:detail", args=[workspace.uuid, job.uuid])).content.decode()
    assert ">Alpha (PAUSED)</option>" in form
    assert "it will be resumed then" in form
    assert "PAUSED: it will be resumed at 09:00 UTC" in page
    assert "Alpha will be resumed then" in page


def test_paused_cluster_is_no_choice_for_a_job_that_begins_now(
    asleep: Callable[[str], Cluster], post: Callable[..., Any]
) -> None:
    response = post(cluster=asleep("pause").pk)

    assert response.status_code == 422
    assert "Alpha is PAUSED. Resume it first" in response.content.decode()


def test_refused_resume_fails_the_job_with_that_cause(
    asleep: Callable[[str], Cluster],
    schedule: Callable[..., Job],
    cloud: FakeCloud,
) -> None:
    job = schedule(asleep("pause"))
    _its_time_comes(job)
    cloud.cluster_phases = [ClusterPhase.FAILED]

    _carry_on()

    job = _fresh(job)
    assert (job.status, job.reason) == ("FAILED", "ClusterFailed")
    assert job.message == "Cluster Alpha could not be resumed for this job: An engine ended."
    assert "Look at the cluster's page" in job.next_step
    assert job.cluster.state == "PAUSED"
    assert Operation.objects.filter(kind="cluster.resume").count() == 1


def test_cluster_that_was_just_being_paused_is_resumed_after_that(
    free: Cluster, schedule: Callable[..., Job]
) -> None:
    job = schedule(free)
    cluster_act(cluster=free, verb="pause", actor=Actor())
    _its_time_comes(job)

    _step(job.uuid)
    waited = _fresh(job)
    _step(free.uuid)  # PAUSED
    _carry_on()

    assert (waited.status, waited.waking_uuid) == ("NEW", None)
    assert _fresh(job).status == "FINISHED"


def test_resume_that_a_user_asked_for_is_waited_for(
    asleep: Callable[[str], Cluster],
    schedule: Callable[..., Job],
) -> None:
    job = schedule(asleep("pause"))
    cluster_act(cluster=job.cluster, verb="resume", actor=Actor())
    _its_time_comes(job)

    _carry_on()

    job = _fresh(job)
    assert (job.status, job.waking_uuid) == ("FINISHED", None)


def test_cluster_removed_before_the_time_fails_the_job(
    asleep: Callable[[str], Cluster],
    schedule: Callable[..., Job],
) -> None:
    job = schedule(asleep("pause"))
    cluster_remove(cluster=job.cluster, actor=Actor())
    _its_time_comes(job)

    _carry_on()

    job = _fresh(job)
    assert (job.reason, job.waking_uuid) == ("ClusterFailed", None)


@pytest.mark.parametrize("loss", ["removed", "viewer", "inactive", "deleted"])
def test_whoever_lost_the_right_resumes_nothing(
    asleep: Callable[[str], Cluster],
    schedule: Callable[..., Job],
    loss: str,
) -> None:
    """K13: effects of a role change are at once."""
    job = schedule(asleep("pause"))
    person = job.created_by
    assert person is not None
    mine = WorkspaceMembership.objects.filter(user=person)
    if loss == "removed":
        mine.delete()
    elif loss == "viewer":
        mine.update(role="VIEWER")
    elif loss == "inactive":
        person.is_active = False
        person.save(update_fields=["is_active"])
    else:
        Job.objects.update(created_by=None)
    _its_time_comes(job)

    _carry_on()

    job = _fresh(job)
    assert (job.status, job.reason, job.cluster.state) == ("FAILED", "Refused", "PAUSED")
    assert "can run it again" in job.next_step


def test_worker_that_dies_after_the_resume_was_asked_for_changes_nothing(
    asleep: Callable[[str], Cluster],
    schedule: Callable[..., Job],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = schedule(asleep("pause"))
    _its_time_comes(job)
    with monkeypatch.context() as patch:
        patch.setattr("workspaces.operations.runner._record", _die)
        with pytest.raises(KeyboardInterrupt):
            _step(job.uuid)
    between = _fresh(job)
    Operation.objects.update(lease_expires_at=None, lease_owner="")  # the dead one's

    _carry_on()

    assert between.cluster.state == "INITIALIZING"
    assert _fresh(job).status == "FINISHED"
    assert Operation.objects.filter(kind="cluster.resume").count() == 1


def _die(*_: object) -> None:
    raise KeyboardInterrupt


def test_resumed_cluster_that_a_notebook_took_first(
    asleep: Callable[[str], Cluster],
    schedule: Callable[..., Job],
) -> None:
    """F157: the race is decided at the start."""
    job = schedule(asleep("pause"))
    _its_time_comes(job)
    _step(job.uuid)
    _step(job.cluster.uuid)
    now = timezone.now()
    lease_take(
        cluster=job.cluster,
        holder_kind="notebook",
        holder_uuid=uuid4(),
        now=now,
        expires_at=now + timedelta(hours=1),
    )

    _carry_on()

    assert _fresh(job).reason == "ClusterBusy"
