"""A job cancelled at any moment, while a worker dies in the very step, leaves nothing behind."""

from __future__ import annotations

import pytest

from tests.faults.scene import MANY_TICKS, Scene

pytestmark = [pytest.mark.fault, pytest.mark.timeout(300)]


def test_job_cancelled_while_its_own_cluster_is_made(scene: Scene) -> None:
    job = scene.run_job("Cancelled early", None)
    cluster = scene.job(job).cluster.uuid
    scene.wait_until_begun(cluster, "cluster.create")

    scene.cancel_job(job)
    scene.expected[cluster] = "TERMINATED"

    scene.wait_for_job(job, "CANCELLED")
    scene.wait_for_cluster(cluster, "TERMINATED")
    assert not scene.cluster(cluster).usage_intervals.exists()


def test_job_cancelled_while_it_runs_and_a_worker_dies_at_it(scene: Scene) -> None:
    job = scene.run_job("Cancelled late", None, MANY_TICKS)
    cluster = scene.job(job).cluster.uuid
    scene.wait_for_job(job, "RUNNING")

    scene.cancel_job(job)
    scene.expected[cluster] = "TERMINATED"

    scene.strike("busy worker", job, "cancel", lambda: scene.wait_for_job(job, "CANCELLED"))
    scene.wait_for_cluster(cluster, "TERMINATED")
    assert "the end of rank" not in scene.person.log(job)
