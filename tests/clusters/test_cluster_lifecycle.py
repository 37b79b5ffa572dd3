"""Pause, resume, stop, start, restart, scale: each with its meter, and against each other."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from clusters.leases import lease_release, lease_take
from clusters.models import Cluster, UsageInterval
from clusters.services import (
    ClusterRefused,
    cluster_act,
    cluster_mark_ready,
    cluster_remove,
    cluster_scale,
)
from tests.fake_cloud import FakeCloud
from workspaces.clouds.base import ClusterPhase
from workspaces.models import Operation, TimelineEntry, Workspace
from workspaces.operations import Actor

Make = Callable[..., object]


@pytest.fixture
def running(cluster: Callable[..., Cluster], cloud: FakeCloud) -> Cluster:
    made = cluster("Alpha", state="INPROGRESS")
    cluster_mark_ready(cluster=made, now=timezone.now() - timedelta(minutes=10))
    cloud.clusters.add(made.uuid)
    made.refresh_from_db()
    return made


def _state(cluster: Cluster) -> str:
    cluster.refresh_from_db()
    return cluster.state


def _open_intervals() -> int:
    return UsageInterval.objects.filter(ended_at=None).count()


def test_pause_stops_the_meter_at_the_request(running: Cluster, run_operations: Make) -> None:
    """F105, K4."""
    cluster_act(cluster=running, verb="pause", actor=Actor())
    asked = (_state(running), _open_intervals())

    run_operations()

    assert asked == ("PAUSING", 0)
    assert _state(running) == "PAUSED"
    assert UsageInterval.objects.get().end_reason == "pause"


def test_resume_starts_a_new_interval(running: Cluster, run_operations: Make) -> None:
    """K4."""
    cluster_act(cluster=running, verb="pause", actor=Actor())
    run_operations()
    running.refresh_from_db()

    cluster_act(cluster=running, verb="resume", actor=Actor())
    during = (_state(running), _open_intervals())
    run_operations()

    assert during == ("INITIALIZING", 0)
    assert _state(running) == "RUNNING"
    assert UsageInterval.objects.count() == 2
    assert _open_intervals() == 1


def test_stop_takes_the_machines_and_keeps_the_definition(
    running: Cluster, cloud: FakeCloud, run_operations: Make
) -> None:
    """G007."""
    cluster_act(cluster=running, verb="stop", actor=Actor())
    run_operations()

    assert _state(running) == "STOPPED"
    assert cloud.clusters == set()
    cluster_act(cluster=running, verb="start", actor=Actor())
    run_operations()
    assert _state(running) == "RUNNING"


def test_failed_resume_goes_back_to_paused_with_the_reason(
    running: Cluster, cloud: FakeCloud, run_operations: Make
) -> None:
    cluster_act(cluster=running, verb="pause", actor=Actor())
    run_operations()
    running.refresh_from_db()
    cloud.cluster_phases = [ClusterPhase.FAILED]

    cluster_act(cluster=running, verb="resume", actor=Actor())
    run_operations()

    assert _state(running) == "PAUSED"
    assert running.state_reason == "An engine ended."
    assert _open_intervals() == 0


def test_restart_is_a_new_interval(running: Cluster, run_operations: Make) -> None:
    cluster_act(cluster=running, verb="restart", actor=Actor())
    run_operations()

    assert _state(running) == "RUNNING"
    assert UsageInterval.objects.count() == 2


def test_scale_meters_the_new_size_from_when_it_is_ready(
    running: Cluster, run_operations: Make
) -> None:
    """K4, F181."""
    cluster_scale(cluster=running, node_count=3, actor=Actor())
    during = _open_intervals()
    run_operations()

    running.refresh_from_db()
    assert during == 0
    assert (running.state, running.node_count, running.scaled_from) == ("RUNNING", 3, None)
    assert [i.node_count for i in UsageInterval.objects.all()] == [2, 3]
    assert running.nodes.count() == 3


def test_scale_down_forgets_the_nodes_that_went(running: Cluster, run_operations: Make) -> None:
    cluster_scale(cluster=running, node_count=1, actor=Actor())
    run_operations()

    assert [node.ordinal for node in running.nodes.all()] == [1]


def test_failed_scale_returns_to_the_size_before(
    running: Cluster, cloud: FakeCloud, run_operations: Make
) -> None:
    cloud.cluster_phases = [ClusterPhase.FAILED]

    cluster_scale(cluster=running, node_count=4, actor=Actor())
    run_operations()

    running.refresh_from_db()
    assert (running.state, running.node_count) == ("RUNNING", 2)
    assert Operation.objects.get(kind="cluster.scale").status == "FAILED"
    assert _open_intervals() == 1


def test_scaling_a_paused_cluster_resumes_it(running: Cluster, run_operations: Make) -> None:
    """G007."""
    cluster_act(cluster=running, verb="pause", actor=Actor())
    run_operations()
    running.refresh_from_db()

    cluster_scale(cluster=running, node_count=1, actor=Actor())
    run_operations()

    running.refresh_from_db()
    assert (running.state, running.node_count) == ("RUNNING", 1)


@pytest.mark.parametrize("verb", ["pause", "stop", "restart", "scale"])
def test_cluster_in_use_is_left_to_its_user(running: Cluster, verb: str) -> None:
    """F181: running work is never handed wrong ranks."""
    now = timezone.now()
    until = now + timedelta(hours=1)
    lease_take(cluster=running, holder_kind="job", holder_uuid=uuid4(), now=now, expires_at=until)

    def ask() -> object:
        if verb == "scale":
            return cluster_scale(cluster=running, node_count=3, actor=Actor())
        return cluster_act(cluster=running, verb=verb, actor=Actor())

    with pytest.raises(ClusterRefused, match="A job uses Alpha now"):
        ask()

    assert _state(running) == "RUNNING"
    assert _open_intervals() == 1


def test_cluster_that_is_pausing_is_taken_by_nobody(running: Cluster) -> None:
    cluster_act(cluster=running, verb="pause", actor=Actor())
    now = timezone.now()

    taken = lease_take(
        cluster=running, holder_kind="job", holder_uuid=uuid4(), now=now, expires_at=now
    )

    assert taken is False


@pytest.mark.parametrize(
    ("state", "allowed"),
    [
        ("NEW", set()),
        ("INPROGRESS", set()),
        ("RUNNING", {"pause", "stop", "restart"}),
        ("PAUSING", set()),
        ("PAUSED", {"resume", "stop"}),
        ("STOPPED", {"start"}),
        ("INITIALIZING", set()),
        ("FAILED", set()),
        ("TERMINATED", set()),
    ],
)
def test_each_state_allows_its_verbs_and_refuses_the_rest(
    cluster: Callable[..., Cluster], state: str, allowed: set[str]
) -> None:
    verbs = {"pause", "resume", "stop", "start", "restart"}
    for verb in sorted(allowed):
        made = cluster(f"C {verb}", state=state)
        cluster_act(cluster=made, verb=verb, actor=Actor())
        assert _state(made) != state

    for verb in sorted(verbs - allowed):
        made = cluster(f"C {verb}", state=state)
        with pytest.raises(ClusterRefused, match=state):
            cluster_act(cluster=made, verb=verb, actor=Actor())
        assert _state(made) == state


@pytest.mark.parametrize("verb", ["pause", "stop", "restart"])
def test_removal_overtakes_every_verb(
    running: Cluster, cloud: FakeCloud, run_operations: Make, verb: str
) -> None:
    cluster_act(cluster=running, verb=verb, actor=Actor())

    cluster_remove(cluster=running, actor=Actor())
    run_operations()

    assert _state(running) == "TERMINATED"
    assert cloud.clusters == set()
    assert _open_intervals() == 0


def test_second_pause_is_refused(running: Cluster) -> None:
    cluster_act(cluster=running, verb="pause", actor=Actor())

    with pytest.raises(ClusterRefused):
        cluster_act(cluster=running, verb="pause", actor=Actor())

    assert Operation.objects.filter(kind="cluster.pause").count() == 1


def test_activity_counts_from_the_end_of_use(running: Cluster) -> None:
    """F108."""
    holder, now = uuid4(), timezone.now()
    lease_take(cluster=running, holder_kind="job", holder_uuid=holder, now=now, expires_at=now)
    Cluster.objects.update(last_activity_at=now - timedelta(hours=5))

    lease_release(holder_uuid=holder)

    running.refresh_from_db()
    assert running.last_activity_at is not None
    assert running.last_activity_at >= now


def test_page_acts_and_tells(
    running: Cluster,
    workspace: Workspace,
    member: Callable[..., User],
    signed_in: Callable[[User], Client],
) -> None:
    client = signed_in(member("MEMBER", workspace))
    url = reverse("clusters:pause", args=[workspace.uuid, running.uuid])

    first = client.post(url, follow=True).content
    second = client.post(url, follow=True).content

    assert b"Now pausing cluster Alpha" in first
    assert b"only a RUNNING cluster can pause" in second
    assert TimelineEntry.objects.filter(action="cluster.pause").count() == 1


def test_bulk_acts_on_the_ticked_and_names_the_refused(
    running: Cluster,
    workspace: Workspace,
    cluster: Callable[..., Cluster],
    member: Callable[..., User],
    signed_in: Callable[[User], Client],
) -> None:
    paused = cluster("Beta", state="PAUSED")
    other = cluster("Gamma", state="RUNNING")
    client = signed_in(member("MEMBER", workspace))

    page = client.post(
        reverse("clusters:bulk", args=[workspace.uuid]),
        {"verb": "pause", "cluster": [str(running.uuid), str(paused.uuid), "nonsense"]},
        follow=True,
    ).content

    assert _state(running) == "PAUSING"
    assert _state(paused) == "PAUSED"
    assert _state(other) == "RUNNING"
    assert b"Now pausing 1 cluster" in page
    assert b"Beta is PAUSED" in page


def test_verify_shows_the_lines_and_their_output(
    running: Cluster,
    workspace: Workspace,
    member: Callable[..., User],
    signed_in: Callable[[User], Client],
    run_operations: Make,
) -> None:
    """F213."""
    client = signed_in(member("MEMBER", workspace))

    client.post(reverse("clusters:verify", args=[workspace.uuid, running.uuid]))
    run_operations()

    page = client.get(reverse("clusters:detail", args=[workspace.uuid, running.uuid]))
    text = page.content.decode()
    assert f"$ mpiexec -n 2 -f /shared/.hostfile-{running.uuid} hostname" in text
    assert "All commands succeeded" in text


def test_verification_does_not_stand_in_the_way_of_a_pause(
    running: Cluster, workspace: Workspace, run_operations: Make
) -> None:
    from clusters.services import cluster_verify

    cluster_verify(cluster=running, actor=Actor())
    cluster_act(cluster=running, verb="pause", actor=Actor())
    run_operations()

    assert _state(running) == "PAUSED"
