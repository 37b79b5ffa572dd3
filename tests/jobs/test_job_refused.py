"""Spending guards are asked again when a scheduled job or a further attempt begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from clusters.models import Cluster, UsageInterval
from jobs.models import Job
from tests.fake_cloud import FakeCloud
from workspaces.clouds.commands import CommandState, CommandStatus
from workspaces.guards import SpendingRefused
from workspaces.models import Workspace
from workspaces.operations import Actor

SENTENCE = "The budget is used up. Ask an Admin of the organization to raise it."
FAILED = CommandStatus(CommandState.EXITED, exit_code=3, reason="NonZeroExitCode")
purse: list[str] = []
asked_by: list[Actor] = []


def guard(*, workspace: Workspace, actor: Actor) -> None:
    asked_by.append(actor)
    if purse:
        raise SpendingRefused(purse[0])


@pytest.fixture(autouse=True)
def _guard(settings: Any) -> Iterator[None]:
    settings.SPENDING_GUARDS = [f"{__name__}.guard"]
    yield
    purse.clear()
    asked_by.clear()


def _tomorrow() -> dict[str, str]:
    at = timezone.now() + timedelta(days=1)
    return {"schedule_kind": "AT", "scheduled_on": f"{at:%Y-%m-%dT%H:%M}", "time_zone": "UTC"}


def test_scheduled_job_is_refused_at_its_time(
    submit: Callable[..., Job],
    person: Client,
    workspace: Workspace,
    cloud: FakeCloud,
    run_operations: Callable[..., int],
) -> None:
    job = submit(**_tomorrow())
    purse.append(SENTENCE)
    Job.objects.update(scheduled_at=timezone.now())

    run_operations()

    job.refresh_from_db()
    page = person.get(reverse("jobs:detail", args=[workspace.uuid, job.uuid])).content.decode()
    assert (job.status, job.reason, job.next_step) == ("FAILED", "Refused", SENTENCE)
    assert page.count(f"<dd>{SENTENCE}</dd>") == 1
    assert not cloud.commands
    assert asked_by[-1].user == job.created_by


def test_further_attempt_is_refused(
    submit: Callable[..., Job], cloud: FakeCloud, run_operations: Callable[..., int]
) -> None:
    """G013."""
    cloud.command_states = [FAILED]
    job = submit(retries=3, retry_delay_minutes=0)
    run_operations(steps=1)
    purse.append(SENTENCE)

    run_operations()

    job.refresh_from_db()
    assert (job.status, job.reason, job.attempt) == ("FAILED", "Refused", 2)
    assert list(cloud.commands) == [job.uuid]
    assert not job.cluster.leases.exists()


def test_what_runs_is_not_asked_again(
    submit: Callable[..., Job], cloud: FakeCloud, run_operations: Callable[..., int]
) -> None:
    cloud.command_states = [CommandStatus(CommandState.STARTING), FAILED]
    job = submit(**_tomorrow())
    Job.objects.update(scheduled_at=timezone.now())
    run_operations(steps=1)
    purse.append(SENTENCE)

    run_operations()

    job.refresh_from_db()
    assert job.reason == "NonZeroExitCode"


def test_refused_job_takes_its_own_cluster_away_before_it_costs(
    post: Callable[..., Any], cloud: FakeCloud, run_operations: Callable[..., int]
) -> None:
    """F159."""
    machines = {"instance_type": "c5.large", "node_count": 1, "bodo_version": "2026.10"}
    post(is_new_cluster="on", **machines, **_tomorrow())
    purse.append(SENTENCE)
    Job.objects.update(scheduled_at=timezone.now())

    run_operations(steps=200)

    assert Job.objects.get().reason == "Refused"
    assert Cluster.objects.get().state == "TERMINATED"
    assert not UsageInterval.objects.exists()
    assert not cloud.clusters


def test_paused_cluster_is_not_resumed_against_a_guard(
    submit: Callable[..., Job], free: Cluster, run_operations: Callable[..., int]
) -> None:
    """K5."""
    job = submit(**_tomorrow())
    Cluster.objects.filter(pk=free.pk).update(state="PAUSED")
    purse.append(SENTENCE)
    Job.objects.update(scheduled_at=timezone.now())

    run_operations()

    job.refresh_from_db()
    free.refresh_from_db()
    assert (job.reason, free.state) == ("Refused", "PAUSED")
