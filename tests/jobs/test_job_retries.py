"""Retries: when, how often, each attempt a command of its own, and what is kept of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from clusters.models import Cluster, ClusterLease
from jobs.models import Job
from tests.fake_cloud import FakeCloud
from workspaces.clouds.commands import CommandState, CommandStatus
from workspaces.models import Operation, Workspace

RUNNING = CommandStatus(CommandState.RUNNING, started_at=1_700_000_000.0)


def ended(reason: str, exit_code: int | None = 3) -> CommandStatus:
    return CommandStatus(
        CommandState.EXITED,
        exit_code=exit_code,
        reason=reason,
        message=f"It was {reason}.",
        started_at=1_700_000_000.0,
        finished_at=1_700_000_060.0,
    )


@pytest.fixture
def go_on(run_operations: Callable[..., int]) -> Callable[[], None]:
    """Let the delay pass and carry on to the next wait or end."""

    def go() -> None:
        Job.objects.exclude(next_attempt_at=None).update(next_attempt_at=timezone.now())
        run_operations(steps=2)

    return go


def test_failed_attempt_is_followed_by_another_after_the_delay(
    submit: Callable[..., Job],
    cloud: FakeCloud,
    run_operations: Callable[..., int],
    go_on: Callable[[], None],
) -> None:
    """G013."""
    cloud.command_states = [RUNNING, ended("NonZeroExitCode")]
    job = submit(retries=2, retry_delay_minutes=5)

    run_operations(steps=2)
    between = Operation.objects.get(target_uuid=job.uuid)
    job.refresh_from_db()
    waits = job.next_attempt_at - timezone.now() if job.next_attempt_at else timedelta()
    go_on()

    assert between.status == "INPROGRESS"
    assert timedelta(minutes=4) < waits <= timedelta(minutes=5)
    job.refresh_from_db()
    assert (job.status, job.attempt, job.exit_code, job.reason) == ("FINISHED", 2, 0, "")
    assert list(job.attempts.values_list("number", "reason", "exit_code")) == [
        (1, "NonZeroExitCode", 3),
        (2, "", 0),
    ]
    assert not ClusterLease.objects.exists()


def test_each_attempt_is_a_command_of_its_own(
    submit: Callable[..., Job],
    cloud: FakeCloud,
    run_operations: Callable[..., int],
    go_on: Callable[[], None],
) -> None:
    cloud.command_states = [ended("NonZeroExitCode")] * 2
    job = submit(retries=2, retry_delay_minutes=0)

    run_operations(steps=1)
    go_on()
    go_on()

    assert list(cloud.commands) == [job.command_uuid_of(n) for n in (1, 2, 3)]
    assert len(cloud.commands) == 3
    assert {spec.timeout_seconds for spec in cloud.commands.values()} == {3600}


def test_last_attempt_decides(
    submit: Callable[..., Job],
    cloud: FakeCloud,
    run_operations: Callable[..., int],
    go_on: Callable[[], None],
) -> None:
    cloud.command_states = [ended("NonZeroExitCode"), ended("OutOfMemory", 9)]
    job = submit(retries=1)

    run_operations(steps=1)
    go_on()

    job.refresh_from_db()
    assert (job.status, job.reason, job.attempt) == ("FAILED", "OutOfMemory", 2)
    assert not ClusterLease.objects.exists()


def test_cluster_stays_taken_between_attempts(
    submit: Callable[..., Job], free: Cluster, cloud: FakeCloud, run_operations: Callable[..., int]
) -> None:
    cloud.command_states = [ended("NonZeroExitCode")]
    job = submit(retries=1, retry_delay_minutes=600)

    run_operations(steps=2)

    lease = ClusterLease.objects.get(holder_uuid=job.uuid)
    assert lease.expires_at > timezone.now() + timedelta(minutes=600 + 60)


@pytest.mark.parametrize(
    ("reason", "asked", "attempts"),
    [
        ("NonZeroExitCode", {}, 2),
        ("Lost", {}, 2),
        ("SourceNotFound", {}, 2),
        ("Timeout", {}, 1),
        ("Timeout", {"is_retried_on_timeout": "on"}, 2),
        ("SourceAuth", {}, 1),
        ("BadReference", {}, 1),
        ("NoSuchScript", {}, 1),
    ],
)
def test_only_what_may_end_better_is_tried_again(
    submit: Callable[..., Job],
    cloud: FakeCloud,
    run_operations: Callable[..., int],
    reason: str,
    asked: dict[str, str],
    attempts: int,
) -> None:
    """G013: not after a timeout unless asked for."""
    cloud.command_states = [ended(reason)]
    job = submit(retries=1, **asked)

    run_operations(steps=2)

    job.refresh_from_db()
    assert job.attempt == attempts
    assert job.is_unsettled is (attempts == 2)


def test_worker_that_dies_before_the_wait_is_written_changes_nothing(
    submit: Callable[..., Job], cloud: FakeCloud, run_operations: Callable[..., int]
) -> None:
    """The attempt was counted; the step runs again, by another worker."""
    cloud.command_states = [ended("NonZeroExitCode")]
    job = submit(retries=3, retry_delay_minutes=5)
    run_operations(steps=1)

    run_operations(steps=3)

    job.refresh_from_db()
    assert job.attempt == 2
    assert len(cloud.commands) == 1


def test_cancel_between_attempts(
    submit: Callable[..., Job],
    person: Client,
    workspace: Workspace,
    cloud: FakeCloud,
    run_operations: Callable[..., int],
) -> None:
    cloud.command_states = [ended("NonZeroExitCode")]
    job = submit(retries=1)
    run_operations(steps=1)

    person.post(reverse("jobs:cancel", args=[workspace.uuid, job.uuid]))
    run_operations()

    job.refresh_from_db()
    assert job.status == "CANCELLED"
    assert not ClusterLease.objects.exists()


def test_attempts_are_listed_with_their_logs(
    submit: Callable[..., Job],
    person: Client,
    workspace: Workspace,
    cloud: FakeCloud,
    run_operations: Callable[..., int],
    go_on: Callable[[], None],
) -> None:
    cloud.command_states = [ended("OutOfMemory", 9)]
    job = submit(retries=1)
    run_operations(steps=1)
    go_on()

    page = person.get(reverse("jobs:detail", args=[workspace.uuid, job.uuid])).content.decode()

    log = reverse("jobs:log", args=[workspace.uuid, job.uuid])
    assert "OutOfMemory, exit code 9" in page
    assert f'href="{log}?attempt=1"' in page
    assert f'href="{log}?attempt=2"' in page
