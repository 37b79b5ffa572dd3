"""Jobs at a date and time in a zone: what is meant, what is refused, and nothing runs early."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from clusters.leases import lease_take
from clusters.models import Cluster
from jobs.models import Job
from jobs.schedule import NoSuchTime, comes_twice, instant_of, local_words
from tests.fake_cloud import FakeCloud
from workspaces.models import Operation, Workspace
from workspaces.operations.controller import enqueue_due_steps
from workspaces.operations.runner import run_step

BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"


@pytest.mark.parametrize(
    ("local", "zone", "instant"),
    [
        ("2027-03-28 01:59", BERLIN, datetime(2027, 3, 28, 0, 59, tzinfo=UTC)),
        ("2027-03-28 03:00", BERLIN, datetime(2027, 3, 28, 1, 0, tzinfo=UTC)),
        ("2027-10-31 01:59", BERLIN, datetime(2027, 10, 30, 23, 59, tzinfo=UTC)),
        ("2027-10-31 02:00", BERLIN, datetime(2027, 10, 31, 0, 0, tzinfo=UTC)),
        ("2027-10-31 02:59", BERLIN, datetime(2027, 10, 31, 0, 59, tzinfo=UTC)),
        ("2027-10-31 03:00", BERLIN, datetime(2027, 10, 31, 2, 0, tzinfo=UTC)),
        ("2026-11-01 01:30", NEW_YORK, datetime(2026, 11, 1, 5, 30, tzinfo=UTC)),
        ("2027-04-04 01:45", LORD_HOWE, datetime(2027, 4, 3, 14, 45, tzinfo=UTC)),
        ("2028-02-29 12:00", "UTC", datetime(2028, 2, 29, 12, 0, tzinfo=UTC)),
    ],
)
def test_instant_at_the_edges_of_summer_time(local: str, zone: str, instant: datetime) -> None:
    """F153: of two equal local times the first one is meant."""
    assert instant_of(datetime.fromisoformat(local), zone) == instant


@pytest.mark.parametrize(
    ("local", "zone"),
    [
        ("2027-03-28 02:00", BERLIN),
        ("2027-03-28 02:59", BERLIN),
        ("2027-03-14 02:30", NEW_YORK),
        ("2027-10-03 02:15", LORD_HOWE),  # half an hour only
    ],
)
def test_local_time_that_clocks_jump_over(local: str, zone: str) -> None:
    """F153."""
    with pytest.raises(NoSuchTime, match="does not exist in"):
        instant_of(datetime.fromisoformat(local), zone)


@pytest.mark.parametrize(
    ("hour", "is_double"), [(1, False), (2, True), (3, False)], ids=["before", "in", "after"]
)
def test_times_that_come_twice(hour: int, is_double: bool) -> None:
    instant = instant_of(datetime.fromisoformat(f"2027-10-31 {hour:02}:00"), BERLIN)

    assert comes_twice(instant, BERLIN) is is_double


def test_words_name_zone_and_offset() -> None:
    summer = datetime(2027, 7, 1, 10, 0, tzinfo=UTC)

    assert local_words(summer, BERLIN) == "1 Jul 2027, 12:00 Europe/Berlin (UTC+02:00)"


def _next_year() -> int:
    return timezone.now().year + 1


def _spring_and_autumn(year: int) -> tuple[datetime, datetime]:
    """02:30 in Berlin on the last Sundays of March and October."""
    ends = (datetime.fromisoformat(f"{year}-{month}-31 02:30") for month in ("03", "10"))
    march, october = (day - timedelta(days=(day.weekday() + 1) % 7) for day in ends)
    return march, october


def test_form_refuses_a_time_that_does_not_exist(post: Callable[..., Any], free: Cluster) -> None:
    """F153, F160."""
    gap, _ = _spring_and_autumn(_next_year())

    response = post(
        cluster=free.pk, schedule_kind="AT", scheduled_on=gap.isoformat(), time_zone=BERLIN
    )

    assert response.status_code == 422
    assert "does not exist in Europe/Berlin" in response.content.decode()
    assert not Job.objects.exists()


def test_page_says_which_of_two_equal_times_is_meant(
    submit: Callable[..., Job], person: Client, workspace: Workspace
) -> None:
    """F153."""
    _, double = _spring_and_autumn(_next_year())

    job = submit(schedule_kind="AT", scheduled_on=double.isoformat(), time_zone=BERLIN)

    page = person.get(reverse("jobs:detail", args=[workspace.uuid, job.uuid])).content.decode()
    assert job.scheduled_at == double.replace(hour=0, tzinfo=UTC)
    assert "That time comes twice; the first one is meant: 00:30 UTC." in page
    assert "02:30 Europe/Berlin (UTC+02:00)" in page


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"scheduled_on": "2020-01-01T00:00"}, "That time has passed"),
        ({"scheduled_on": ""}, "Enter the date and time, or choose Now."),
        ({"scheduled_on": "soon"}, "Enter a valid date/time."),
        ({"scheduled_on": "2099-01-01T00:00", "time_zone": "Mars/Base"}, "Select a valid choice"),
    ],
)
def test_bad_schedule_is_told_next_to_its_field(
    post: Callable[..., Any], free: Cluster, changes: dict[str, str], sentence: str
) -> None:
    response = post(**{"cluster": free.pk, "schedule_kind": "AT", "time_zone": "UTC", **changes})

    assert response.status_code == 422
    assert sentence in response.content.decode()


def _tomorrow() -> dict[str, str]:
    at = (timezone.now() + timedelta(days=1)).astimezone(ZoneInfo(BERLIN))
    at = at.replace(hour=12, minute=0)  # no clock jumps at noon
    return {
        "schedule_kind": "AT",
        "scheduled_on": f"{at:%Y-%m-%dT%H:%M}",
        "time_zone": BERLIN,
    }


def test_scheduled_job_is_new_and_holds_nothing_until_its_time(
    submit: Callable[..., Job], free: Cluster, cloud: FakeCloud
) -> None:
    """F153, F173, F175."""
    job = submit(**_tomorrow())

    hinted = enqueue_due_steps(timezone.now())
    run_step(Operation.objects.get(target_uuid=job.uuid).pk)

    job.refresh_from_db()
    assert hinted == 0
    assert job.status == "NEW"
    assert free in Cluster.objects.free(timezone.now())
    assert not cloud.commands


def test_scheduled_job_runs_at_its_time(
    submit: Callable[..., Job], cloud: FakeCloud, run_operations: Callable[..., int]
) -> None:
    """F153, F175."""
    job = submit(**_tomorrow())
    Job.objects.update(scheduled_at=timezone.now())

    run_operations()

    job.refresh_from_db()
    assert job.status == "FINISHED"


def test_waiting_for_the_time_uses_up_no_deadline(
    submit: Callable[..., Job], run_operations: Callable[..., int]
) -> None:
    job = submit(**_tomorrow())
    run_operations(steps=1)  # a hint that came early
    long_ago = timezone.now() - timedelta(days=40)
    Operation.objects.filter(target_uuid=job.uuid).update(
        created_at=long_ago, started_at=long_ago, phase_started_at=long_ago
    )
    Job.objects.update(scheduled_at=timezone.now())

    run_operations()

    job.refresh_from_db()
    assert (job.status, job.message) == ("FINISHED", "")


def test_scheduled_job_can_be_cancelled_before(
    submit: Callable[..., Job],
    person: Client,
    workspace: Workspace,
    cloud: FakeCloud,
    run_operations: Callable[..., int],
) -> None:
    job = submit(**_tomorrow())

    person.post(reverse("jobs:cancel", args=[workspace.uuid, job.uuid]))
    run_operations()

    job.refresh_from_db()
    assert job.status == "CANCELLED"
    assert not cloud.commands


def test_cluster_taken_at_the_time_fails_the_job(
    submit: Callable[..., Job], run_operations: Callable[..., int]
) -> None:
    """F157: offered because it was free, asked again when the time has come."""
    scheduled = submit(**_tomorrow())
    lease_take(
        cluster=scheduled.cluster,
        holder_kind="notebook",
        holder_uuid=uuid4(),
        now=timezone.now(),
        expires_at=timezone.now() + timedelta(hours=1),
    )
    Job.objects.filter(pk=scheduled.pk).update(scheduled_at=timezone.now())

    run_operations(steps=1)

    scheduled.refresh_from_db()
    assert scheduled.reason == "ClusterBusy"
    assert "free cluster" in scheduled.next_step


def test_dedicated_cluster_begins_at_the_time_of_its_job(
    post: Callable[..., Any], cloud: FakeCloud, run_operations: Callable[..., int]
) -> None:
    """F158, F159, F174: visible at once, and nothing runs or is paid for before."""
    machines = {"instance_type": "c5.large", "node_count": 1, "bodo_version": "2026.10"}

    post(is_new_cluster="on", **machines, **_tomorrow())

    cluster, job = Cluster.objects.get(), Job.objects.get()
    creation = Operation.objects.get(target_uuid=cluster.uuid)
    assert creation.next_step_at == job.scheduled_at
    run_step(creation.pk)
    assert not cloud.clusters

    Job.objects.update(scheduled_at=timezone.now())
    run_operations(steps=200)
    cluster.refresh_from_db()
    job.refresh_from_db()
    assert (job.status, cluster.state) == ("FINISHED", "TERMINATED")
