"""Parts of clusters and runs that die: told within seconds, with the cause, metered no longer."""

from __future__ import annotations

import re
import signal
from datetime import timedelta
from uuid import UUID

import pytest
from django.utils import timezone

from clusters.models import UsageInterval
from tests.faults.invariants import command_line
from tests.faults.scene import DATABASE, MANY_TICKS, Scene
from tests.waiting import wait_until
from workspaces.clouds.local import processes

pytestmark = [pytest.mark.fault, pytest.mark.timeout(300)]

HEARTBEAT = timedelta(seconds=5)
CLUSTER_NOTICED_SECONDS = 15  # looked at every 5 s
RUN_NOTICED_SECONDS = 8
SHIM = r"\S+ -I -S \S+/shim/__main__.py "
MPIEXEC = r"\S+/bin/mpiexec "
CLUSTER_PARTS = {
    "shim": (SHIM, "The process that watched the cluster was killed."),
    "mpiexec": (MPIEXEC, "A part of the cluster stopped"),
    "controller": (r"\S+ -m ipyparallel.controller ", "A part of the cluster stopped"),
    "engine": (r"\S+ -m ipyparallel.engine --mpi ", "A part of the cluster stopped"),
}
RUN_PARTS = {
    "shim": (SHIM, "The process that watched this run was killed"),
    "mpiexec": (MPIEXEC, "Ended with exit code 137"),
    "rank": (r"python ex.py ", "A process was ended by signal 9"),
}


def kill_part(marker: str, owner: str, command: str) -> None:
    """SIGKILL of the first process that carries the marker and whose command begins so."""

    def look() -> processes.Process | None:
        for process in sorted(processes.marked(marker, owner), key=lambda found: found.pid):
            if re.match(command, command_line(process.pid)):
                return process
        return None

    assert processes.send(wait_until(look, timeout=10), signal.SIGKILL)


@pytest.fixture(scope="module")
def made() -> dict[str, UUID]:
    """The clusters of the first test, made at the same time."""
    return {}


@pytest.mark.parametrize("part", CLUSTER_PARTS)
def test_cluster_that_lost_a_part_is_failed_and_metered_no_longer(
    scene: Scene, made: dict[str, UUID], part: str
) -> None:
    command, cause = CLUSTER_PARTS[part]
    if not made:
        made |= {name: scene.create_cluster(f"Loses its {name}") for name in CLUSTER_PARTS}
    cluster = made[part]
    scene.wait_for_cluster(cluster, "RUNNING")

    killed_at = timezone.now()
    kill_part("BODO_CLUSTER", str(cluster), command)
    scene.expected[cluster] = "FAILED"
    wait_until(lambda: scene.cluster(cluster).state == "FAILED", timeout=CLUSTER_NOTICED_SECONDS)
    scene.note(part, "RUNNING", killed_at)

    assert cause in scene.cluster(cluster).state_reason
    interval = UsageInterval.objects.using(DATABASE).get(cluster__uuid=cluster)
    assert interval.end_reason == "lost"
    assert interval.ended_at is not None
    earliest = max(interval.started_at, killed_at - HEARTBEAT - timedelta(seconds=1))
    assert earliest <= interval.ended_at <= killed_at + timedelta(seconds=3)
    scene.wait_until_settled(cluster)
    scene.remove_cluster(cluster)
    scene.wait_for_cluster(cluster, "TERMINATED")


@pytest.fixture(scope="module")
def shared() -> list[UUID]:
    """One cluster for the runs below."""
    return []


@pytest.mark.parametrize("part", RUN_PARTS)
def test_job_that_lost_a_part_is_failed_and_its_cluster_is_free_again(
    scene: Scene, shared: list[UUID], part: str
) -> None:
    command, cause = RUN_PARTS[part]
    if not shared:
        shared.append(scene.create_cluster("Survives its jobs", nodes=2))
    scene.wait_for_cluster(shared[0], "RUNNING")
    job = scene.run_job(f"Loses its {part}", shared[0], MANY_TICKS)
    wait_until(lambda: "tick 1 of rank 1" in scene.person.log(job), timeout=30)

    killed_at = timezone.now()
    kill_part("BODO_RUN", str(job), command)
    scene.expected[job] = "FAILED"
    scene.wait_for_job(job, "FAILED", timeout=RUN_NOTICED_SECONDS)
    scene.note(f"{part} of a run", "run", killed_at)

    assert cause in scene.job(job).message
    assert scene.job(job).cluster.state == "RUNNING"
    scene.wait_until_settled(job)
    assert not scene.job(job).cluster.leases.exists()


def test_job_whose_cluster_dies_under_it_is_node_lost(scene: Scene, shared: list[UUID]) -> None:
    [cluster] = shared
    job = scene.run_job("Loses its cluster", cluster, MANY_TICKS)
    scene.wait_for_job(job, "RUNNING")

    killed_at = timezone.now()
    kill_part("BODO_CLUSTER", str(cluster), SHIM)
    scene.expected |= {job: "FAILED", cluster: "FAILED"}
    scene.wait_for_job(job, "FAILED", timeout=CLUSTER_NOTICED_SECONDS)
    scene.note("cluster", "run", killed_at)

    assert scene.job(job).reason == "NodeLost"
    scene.wait_until_settled(cluster)
    scene.remove_cluster(cluster)
    scene.wait_for_cluster(cluster, "TERMINATED")
