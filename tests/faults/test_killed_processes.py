"""SIGKILL of each kind of process while a cluster is made, while a job runs, and at removal."""

from __future__ import annotations

import pytest

from tests.faults.scene import TICKS, Scene

pytestmark = [pytest.mark.timeout(300)]

VICTIMS = ["busy worker", "controller", "watchdog", "whole stack"]
# The soak kills these many times too, so the quick run leaves them out.
MORE_VICTIMS = ["idle worker", "web_worker", "web"]
CREATION_PERCENTS = (0, 45, 75, 85)


@pytest.mark.parametrize(
    "victim",
    [
        *(pytest.param(victim, marks=pytest.mark.fault) for victim in VICTIMS),
        *(pytest.param(victim, marks=pytest.mark.soak) for victim in MORE_VICTIMS),
    ],
)
def test_cluster_lives_its_whole_life_although_one_dies(scene: Scene, victim: str) -> None:
    cluster = scene.create_cluster(f"Life {victim}")
    scene.wait_until_begun(cluster, "cluster.create", scene.dice.choice(CREATION_PERCENTS))
    scene.strike(victim, cluster, "create", lambda: scene.wait_for_cluster(cluster, "RUNNING"))

    job = scene.run_job(f"Job {victim}", cluster)
    scene.wait_for_job(job, "RUNNING")
    scene.strike(victim, job, "run", lambda: scene.wait_for_job(job, "SUCCEEDED"))

    scene.remove_cluster(cluster)
    scene.wait_until_begun(cluster, "cluster.remove")
    scene.strike(victim, cluster, "remove", lambda: scene.wait_for_cluster(cluster, "TERMINATED"))

    log = scene.person.log(job)
    assert [f"tick {tick} of rank 0" in log for tick in range(TICKS)] == [True] * TICKS
    assert "the end of rank 0" in log
