"""The dashboard shows everything that costs now, since when, by whom, and when it will stop."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from clusters.leases import lease_take
from clusters.models import Cluster
from workspaces.models import Workspace

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def text(
    member: Callable[..., User], signed_in: Callable[[User], Client], workspace: Workspace
) -> Callable[[], str]:
    client = signed_in(member("MEMBER", workspace))
    url = reverse("dashboard", args=[workspace.organization.uuid])
    return lambda: " ".join(client.get(url).content.decode().split())


def test_running_cluster_tells_since_when_by_whom_and_until_when(
    text: Callable[[], str], cluster: Callable[..., Cluster], user: Callable[..., User]
) -> None:
    cluster(
        "Alpha",
        state="RUNNING",
        created_by=user("ada@example.org"),
        ready_at=NOON,
        last_activity_at=NOON,
        auto_pause_minutes=60,
    )

    page = text()

    assert "since 1 Mar, 12:00 UTC, by ada@example.org" in page
    assert "pauses by itself" in page
    assert "1 Mar, 13:00 UTC" in page


def test_cluster_in_use_tells_by_what(
    text: Callable[[], str], cluster: Callable[..., Cluster]
) -> None:
    made = cluster("Alpha", state="RUNNING", ready_at=NOON)
    now = timezone.now()
    until = now + timedelta(hours=1)
    lease_take(cluster=made, holder_kind="job", holder_uuid=uuid4(), now=now, expires_at=until)

    assert "In use by a job" in text()


def test_cluster_without_a_timer_is_said_to_run_on(
    text: Callable[[], str], cluster: Callable[..., Cluster]
) -> None:
    cluster("Alpha", state="RUNNING", ready_at=NOON)

    assert "Runs until somebody pauses, stops or removes it" in text()


def test_all_are_counted_and_the_queries_do_not_grow(
    text: Callable[[], str], cluster: Callable[..., Cluster]
) -> None:
    counts = []
    for size in (2, 14):
        while Cluster.objects.count() < size:
            cluster(f"C{Cluster.objects.count()}", state="RUNNING", ready_at=NOON)
        text()
        with CaptureQueriesContext(connection) as queries:
            page = text()
        counts.append(len(queries))

    assert counts[0] == counts[1]
    assert '<span class="tile-number">14</span>' in page
    assert "the first 10" in page
