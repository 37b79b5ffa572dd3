"""The machine's clock is set, forward or back, at any moment of everything that goes on.

Nothing may stand still for as long as the clock was set back, happen twice, end before it began,
or end for lateness that nobody caused.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest
from django.core import mail
from django.utils import timezone

from accounts.models import User
from clusters.models import Cluster, UsageInterval
from clusters.services import ClusterRefused, cluster_act, cluster_create, cluster_remove
from jobs.models import Job
from jobs.services import Retries, Schedule, Source, job_create
from tests.clockwork import Clock, Platform
from tests.fake_cloud import FakeCloud
from workspaces.clouds.base import ClusterPhase
from workspaces.clouds.commands import CommandState, CommandStatus
from workspaces.models import Operation, Workspace
from workspaces.operations import Actor

JUMPS = [timedelta(minutes=m) for m in (10, 60, -10, -60)]
AS_WORDS = "{:+.0f} min".format
BACK = timedelta(hours=-1)
KIND = FakeCloud().instance_types("here")[0]
SETTLING_SECONDS = 20  # of everything in the clouds of these tests, duties and all
RUNNING = CommandStatus(CommandState.RUNNING)
PEOPLE = Actor()

each_jump = pytest.mark.parametrize("jump", JUMPS, ids=lambda j: AS_WORDS(j.total_seconds() / 60))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock(datetime(2026, 3, 2, 12, tzinfo=UTC))
    monkeypatch.setattr(timezone, "now", made.now)
    return made


@pytest.fixture
def platform(clock: Clock, settings: Any, workspace: Workspace) -> Platform:
    duties = ("clusters.tasks.check_clusters", "clusters.tasks.run_idle_timers")
    settings.PERIODIC_DUTIES = dict(zip(duties, (5, 20), strict=True))
    return Platform(clock)


@pytest.fixture
def create(workspace: Workspace, user: Callable[..., User]) -> Callable[..., Cluster]:
    person = user("ada@example.org")

    def make(name: str = "Alpha", **fields: Any) -> Cluster:
        made = cluster_create(
            uuid=uuid4(),
            workspace=workspace,
            name=name,
            instance_type=KIND,
            node_count=2,
            bodo_version="2026.10",
            actor=Actor(person),
        )
        Cluster.objects.filter(pk=made.pk).update(**fields)
        return made

    return make


@pytest.fixture
def submit(workspace: Workspace, member: Callable[..., User]) -> Callable[..., Job]:
    person = Actor(member("MEMBER", workspace))

    def make(cluster: Cluster, **fields: Any) -> Job:
        return job_create(
            uuid=uuid4(),
            workspace=workspace,
            name="Nightly",
            cluster=cluster,
            command="ex.py",
            source=Source(url="https://git.example.org/x"),
            environment={},
            timeout_minutes=5,
            actor=person,
            **fields,
        )

    return make


@pytest.fixture(autouse=True)
def _books(db: None) -> Iterator[None]:
    """Of every test here."""
    yield
    for cluster in Cluster.objects.all():
        found = list(cluster.usage_intervals.all())
        for one, following in pairwise(found):
            assert one.ended_at is not None
            assert one.ended_at <= following.started_at
    for operation in Operation.objects.all():
        told = Counter(operation.events.values_list("message", flat=True))
        assert not [message for message, count in told.items() if count > 1]


def state_of(row: Cluster | Job) -> str:
    row.refresh_from_db()
    return str(row.state)


@each_jump
@pytest.mark.parametrize("seed", range(3))
def test_life_of_a_cluster_and_a_job_goes_on(
    platform: Platform,
    create: Callable[..., Cluster],
    submit: Callable[..., Job],
    cloud: FakeCloud,
    jump: timedelta,
    seed: int,
) -> None:
    moments = [random.Random(f"{seed} {jump}").uniform(0, 2.5) for _ in range(3)]
    cloud.cluster_phases = [*[ClusterPhase.RUNTIME] * 2, ClusterPhase.NODES, ClusterPhase.ENGINES]

    platform.set_clock(after=moments[0], jump=jump)
    cluster = create()
    platform.work_until(lambda: state_of(cluster) == "RUNNING", seconds=SETTLING_SECONDS)
    cloud.command_states = [RUNNING, RUNNING]
    platform.set_clock(after=moments[1], jump=jump)
    job = submit(cluster)
    platform.work_until(lambda: state_of(job) == "SUCCEEDED", seconds=SETTLING_SECONDS)
    platform.set_clock(after=moments[2] / 5, jump=-jump)
    cluster_act(cluster=cluster, verb="pause", actor=PEOPLE)
    platform.work_until(lambda: state_of(cluster) == "PAUSED", seconds=SETTLING_SECONDS)
    cluster_act(cluster=cluster, verb="resume", actor=PEOPLE)
    platform.work_until(lambda: state_of(cluster) == "RUNNING", seconds=SETTLING_SECONDS)
    cluster_remove(cluster=cluster, actor=PEOPLE)
    platform.work_until(lambda: state_of(cluster) == "TERMINATED", seconds=SETTLING_SECONDS)

    kinds = Operation.objects.order_by("pk").values_list("kind", "status")
    verbs = ("cluster.create", "job.run", "cluster.pause", "cluster.resume", "cluster.remove")
    assert list(kinds) == [(verb, "FINISHED") for verb in verbs]
    assert cluster.usage_intervals.count() == 2


@each_jump
def test_clock_set_within_a_step_makes_nobody_late(
    platform: Platform, create: Callable[..., Cluster], cloud: FakeCloud, jump: timedelta
) -> None:
    cloud.cluster_phases = [ClusterPhase.ENGINES] * 5  # at most three minutes are allowed
    ensure = cloud.ensure_cluster

    def ensure_and_set(*arguments: Any) -> Any:
        if len(cloud.cluster_phases) == 3:
            platform.clock.set_by(jump)
        return ensure(*arguments)

    cloud.ensure_cluster = ensure_and_set  # type: ignore[method-assign]
    cluster = create()

    platform.work_until(lambda: state_of(cluster) == "RUNNING", seconds=SETTLING_SECONDS)


def test_lateness_itself_is_found_as_before(
    platform: Platform, create: Callable[..., Cluster], cloud: FakeCloud
) -> None:
    """Three minutes for the engines, of which the clock steals none and gives none."""
    cloud.cluster_phases = [ClusterPhase.ENGINES] * 500
    cluster = create()
    platform.work_for(1)

    platform.clock.set_by(timedelta(hours=1))
    while state_of(cluster) == "INPROGRESS":
        platform.clock.elapsed += 10
        platform.work_for(1)

    assert state_of(cluster) == "FAILED"
    assert platform.clock.elapsed == pytest.approx(190, abs=25)


@each_jump
def test_dead_cluster_is_noticed_as_soon(
    platform: Platform, create: Callable[..., Cluster], cloud: FakeCloud, jump: timedelta
) -> None:
    cluster = create()
    platform.work_until(lambda: state_of(cluster) == "RUNNING", seconds=SETTLING_SECONDS)

    platform.clock.set_by(jump)
    cloud.lost[cluster.uuid] = platform.clock.now().timestamp()

    platform.work_until(lambda: state_of(cluster) == "FAILED", seconds=7)


def test_idle_cluster_is_paused_once_and_no_hour_later(
    platform: Platform, create: Callable[..., Cluster], clock: Clock
) -> None:
    cluster = create(auto_pause_minutes=30)
    platform.work_until(lambda: state_of(cluster) == "RUNNING", seconds=SETTLING_SECONDS)

    platform.work_for(5)
    clock.set_by(BACK)
    for _ in range(33):  # minutes
        clock.elapsed += 58
        platform.work_for(2)

    assert state_of(cluster) == "PAUSED"
    assert Operation.objects.filter(kind="cluster.pause", source="timer").count() == 1
    assert len(mail.outbox) == 2  # before and after


def test_snooze_does_not_grow(platform: Platform, create: Callable[..., Cluster]) -> None:
    cluster = create(auto_pause_minutes=30)
    platform.work_until(lambda: state_of(cluster) == "RUNNING", seconds=SETTLING_SECONDS)
    until = platform.clock.now() + timedelta(hours=1)
    Cluster.objects.filter(pk=cluster.pk).update(snoozed_until=until)

    platform.clock.set_by(BACK)
    platform.work_for(25)

    cluster.refresh_from_db()
    assert cluster.snoozed_until is not None
    assert cluster.snoozed_until <= platform.clock.now() + timedelta(hours=1)


def test_intervals_never_overlap_when_the_clock_is_set_back_between_them(
    platform: Platform, create: Callable[..., Cluster]
) -> None:
    cluster = create()
    platform.work_until(lambda: state_of(cluster) == "RUNNING", seconds=SETTLING_SECONDS)
    platform.work_for(5)

    for verb, state in [("restart", "RUNNING"), ("pause", "PAUSED"), ("resume", "RUNNING")]:
        platform.clock.set_by(timedelta(minutes=-10))
        cluster_act(cluster=cluster, verb=verb, actor=PEOPLE)
        platform.work_for(3)
        assert state_of(cluster) == state

    spans = [(i.started_at, i.ended_at) for i in UsageInterval.objects.order_by("pk")]
    assert len(spans) == 3
    assert all(ended is None or ended >= started for started, ended in spans)


@pytest.mark.parametrize("jump", [timedelta(minutes=10), timedelta(hours=1)])
def test_running_job_keeps_its_cluster(
    platform: Platform,
    create: Callable[..., Cluster],
    submit: Callable[..., Job],
    cloud: FakeCloud,
    jump: timedelta,
) -> None:
    cluster = create(auto_pause_minutes=5)
    platform.work_until(lambda: state_of(cluster) == "RUNNING", seconds=SETTLING_SECONDS)
    cloud.command_states = [RUNNING] * 30
    job = submit(cluster)
    platform.work_until(lambda: state_of(job) == "RUNNING", seconds=SETTLING_SECONDS)

    platform.clock.set_by(jump)
    platform.work_for(25)

    assert state_of(cluster) == "RUNNING"
    with pytest.raises(ClusterRefused, match="A job uses Alpha now"):
        cluster_act(cluster=cluster, verb="pause", actor=PEOPLE)
    platform.work_until(lambda: state_of(job) == "SUCCEEDED", seconds=60)


@pytest.mark.parametrize(
    ("jump", "seconds"), [(timedelta(hours=1), 0), (timedelta(minutes=-1), 180)]
)
def test_schedule_goes_by_the_clock_and_happens_once(
    platform: Platform,
    create: Callable[..., Cluster],
    submit: Callable[..., Job],
    cloud: FakeCloud,
    jump: timedelta,
    seconds: float,
) -> None:
    cluster = create()
    platform.work_until(lambda: state_of(cluster) == "RUNNING", seconds=SETTLING_SECONDS)
    job = submit(cluster, schedule=Schedule(platform.clock.now() + timedelta(minutes=2), "UTC"))
    platform.work_for(1)

    platform.clock.set_by(jump)
    took = platform.work_until(lambda: state_of(job) == "SUCCEEDED", seconds=seconds + 10)
    platform.clock.set_by(-jump)
    platform.work_for(10)

    assert took >= seconds - 5
    assert len(cloud.commands) == 1
    assert job.attempts.count() == 1


def test_next_attempt_waits_no_longer_than_its_delay(
    platform: Platform,
    create: Callable[..., Cluster],
    submit: Callable[..., Job],
    cloud: FakeCloud,
) -> None:
    cluster = create()
    platform.work_until(lambda: state_of(cluster) == "RUNNING", seconds=SETTLING_SECONDS)
    failed = CommandStatus(CommandState.EXITED, exit_code=3, reason="NonZeroExitCode")
    cloud.command_states = [failed]
    job = submit(cluster, retries=Retries(count=1, delay_minutes=1))
    platform.work_for(3)

    platform.clock.set_by(BACK)

    platform.work_until(lambda: state_of(job) == "SUCCEEDED", seconds=75)
    assert job.attempts.count() == 2


def test_step_of_a_worker_that_died_elsewhere_is_not_held_for_an_hour(
    platform: Platform, create: Callable[..., Cluster]
) -> None:
    cluster = create()
    held = Operation.objects.filter(target_uuid=cluster.uuid)
    lease = platform.clock.now() + timedelta(seconds=60)
    held.update(lease_owner="elsewhere/boot/1/1.00", lease_expires_at=lease)

    platform.clock.set_by(BACK)

    platform.work_until(lambda: state_of(cluster) == "RUNNING", seconds=SETTLING_SECONDS)
