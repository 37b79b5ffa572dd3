"""The whole stack ends and starts again while a cluster and a job are at work."""

from __future__ import annotations

import signal
from datetime import timedelta

import pytest
from django.utils import timezone

from tests.faults.scene import DATABASE, MANY_TICKS, TICKS, Scene
from workspaces.models import Operation

pytestmark = [pytest.mark.fault, pytest.mark.timeout(300)]


def test_running_cluster_and_job_are_found_again_after_ctrl_c(scene: Scene) -> None:
    cluster = scene.create_cluster("Stays", nodes=2)
    scene.wait_for_cluster(cluster, "RUNNING")
    job = scene.run_job("Stays too", cluster)
    scene.wait_for_job(job, "RUNNING")

    stopped_at = timezone.now()
    assert scene.stack.stop(signal.SIGINT) == 0
    scene.stack.start()

    scene.wait_for_job(job, "SUCCEEDED")
    scene.note("Ctrl-C", "run", stopped_at)
    assert scene.cluster(cluster).usage_intervals.get().ended_at is None
    log = scene.person.log(job)
    for rank in range(2):
        assert [log.count(f"tick {tick} of rank {rank}<") for tick in range(TICKS)] == [1] * TICKS
        assert f"the end of rank {rank}" in log
    scene.remove_cluster(cluster)
    scene.wait_for_cluster(cluster, "TERMINATED")


def test_cluster_that_became_ready_during_a_long_outage_is_running(scene: Scene) -> None:
    """Its deadlines are for the cloud, not for the platform's own absence."""
    cluster = scene.create_cluster("Patient")
    scene.wait_until_begun(cluster, "cluster.create", percent=75)
    scene.stack.stop(signal.SIGINT)
    creation = Operation.objects.using(DATABASE).unsettled().for_target(cluster)
    creation.update(phase_started_at=timezone.now() - timedelta(hours=1))

    started_at = timezone.now()
    scene.stack.start()

    scene.wait_for_cluster(cluster, "RUNNING")
    scene.note("outage", "create", started_at)
    scene.remove_cluster(cluster)
    scene.wait_for_cluster(cluster, "TERMINATED")


def test_everything_ended_by_make_stop_is_told_and_metered_no_longer(scene: Scene) -> None:
    cluster = scene.create_cluster("Ended by hand")
    scene.wait_for_cluster(cluster, "RUNNING")
    job = scene.run_job("Ended too", cluster, MANY_TICKS)
    scene.wait_for_job(job, "RUNNING")
    scene.expected |= {cluster: "FAILED", job: "FAILED"}

    stopped_at = timezone.now()
    scene.stack.manage("down")
    down_at = timezone.now()
    scene.stack.start()

    scene.wait_for_job(job, "FAILED")
    scene.wait_for_cluster(cluster, "FAILED")
    scene.note("make stop", "run", stopped_at)
    interval = scene.cluster(cluster).usage_intervals.get()
    assert interval.ended_at is not None
    assert stopped_at <= interval.ended_at <= down_at
    scene.wait_until_settled(cluster)
    scene.remove_cluster(cluster)
    scene.wait_for_cluster(cluster, "TERMINATED")
