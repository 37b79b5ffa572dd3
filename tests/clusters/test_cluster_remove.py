"""Removing, overtaking, and clusters found dead."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from clusters.models import Cluster, UsageInterval
from clusters.services import cluster_mark_lost, cluster_mark_ready, cluster_remove
from clusters.tasks import check_clusters
from tests.fake_cloud import FakeCloud
from workspaces.clouds.base import ClusterPhase
from workspaces.models import Operation, TimelineEntry, Workspace
from workspaces.operations import Actor, operation_start
from workspaces.operations.runner import run_step

Make = Callable[..., object]


@pytest.fixture
def running(cluster: Callable[..., Cluster], cloud: FakeCloud) -> Cluster:
    made = cluster("Alpha", state="INPROGRESS")
    cluster_mark_ready(cluster=made, now=timezone.now() - timedelta(minutes=10))
    cloud.clusters.add(made.uuid)
    made.refresh_from_db()
    return made


def test_meter_stops_at_the_request(running: Cluster) -> None:
    """F190."""
    cluster_remove(cluster=running, actor=Actor())

    interval = UsageInterval.objects.get()
    assert interval.ended_at is not None
    assert interval.end_reason == "remove"
    assert Operation.objects.get().status == "NEW"


def test_removal_leaves_nothing(
    running: Cluster,
    cloud: FakeCloud,
    workspace: Workspace,
    member: Callable[..., User],
    signed_in: Callable[[User], Client],
    run_operations: Make,
) -> None:
    """F088."""
    client = signed_in(member("MEMBER", workspace))

    client.post(reverse("clusters:remove", args=[workspace.uuid, running.uuid]))
    client.post(reverse("clusters:remove", args=[workspace.uuid, running.uuid]))
    run_operations()

    running.refresh_from_db()
    assert running.state == "TERMINATED"
    assert cloud.clusters == set()
    assert Operation.objects.filter(kind="cluster.remove").count() == 1
    assert TimelineEntry.objects.filter(action="cluster.remove").count() == 1


def test_removal_overtakes_a_creation(
    cluster: Callable[..., Cluster], cloud: FakeCloud, run_operations: Make
) -> None:
    made = cluster("Alpha")
    cloud.cluster_phases = [ClusterPhase.NODES] * 3
    creation = operation_start(
        kind="cluster.create",
        target_uuid=made.uuid,
        organization=made.workspace.organization,
        workspace=made.workspace,
        actor=Actor(),
    )
    run_step(creation.pk)

    cluster_remove(cluster=made, actor=Actor())
    run_operations()

    made.refresh_from_db()
    creation.refresh_from_db()
    assert creation.status == "CANCELLED"
    assert made.state == "TERMINATED"
    assert UsageInterval.objects.count() == 0


def test_creation_that_finds_itself_removed_starts_no_meter(
    cluster: Callable[..., Cluster],
) -> None:
    made = cluster("Alpha", state="INPROGRESS")
    cluster_remove(cluster=made, actor=Actor())

    marked = cluster_mark_ready(cluster=made, now=timezone.now())

    assert marked is False
    assert UsageInterval.objects.count() == 0


def test_cluster_found_dead_is_metered_to_its_last_sign_of_life(
    running: Cluster, cloud: FakeCloud, run_operations: Make
) -> None:
    """K4."""
    last_seen = timezone.now() - timedelta(minutes=3)
    cloud.lost[running.uuid] = last_seen.timestamp()

    check_clusters()
    run_operations()

    running.refresh_from_db()
    interval = UsageInterval.objects.get()
    assert running.state == "FAILED"
    assert running.state_reason == "A node died."
    assert interval.end_reason == "lost"
    assert abs(interval.ended_at - last_seen) < timedelta(milliseconds=1)  # type: ignore[operator]
    assert cloud.clusters == set()


def test_old_look_does_not_fail_a_cluster_that_was_started_again_since(running: Cluster) -> None:
    as_it_was_looked_at = Cluster.objects.get()
    Cluster.objects.update(ready_at=timezone.now() + timedelta(seconds=9))

    is_lost = cluster_mark_lost(
        cluster=as_it_was_looked_at, last_seen_at=timezone.now(), reason="Its machines are gone."
    )

    assert is_lost is False
    assert Cluster.objects.get().state == "RUNNING"


def test_healthy_cluster_is_left_alone(running: Cluster) -> None:
    check_clusters()

    running.refresh_from_db()
    assert running.state == "RUNNING"
    assert UsageInterval.objects.get().ended_at is None


def test_interval_never_ends_before_it_began(running: Cluster, cloud: FakeCloud) -> None:
    """A machine with a sloppy clock: the last sign of life lies before the start."""
    cloud.lost[running.uuid] = (timezone.now() - timedelta(days=1)).timestamp()

    check_clusters()

    interval = UsageInterval.objects.get()
    assert interval.ended_at == interval.started_at
