"""The machine goes down with everything on it, and comes up with another boot id."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from django.utils import timezone

from clusters.models import UsageInterval
from tests.faults.scene import DATABASE, MANY_TICKS, Scene
from tests.stack import Stack
from tests.waiting import wait_until
from workspaces.clouds.local import processes

pytestmark = [pytest.mark.fault, pytest.mark.timeout(300)]

BOOT_ID = "/proc/sys/kernel/random/boot_id"
HEARTBEAT = timedelta(seconds=5)


@pytest.fixture
def other_boot(stack: Stack, tmp_path: Path) -> Iterator[list[str]]:
    """Words before a command, for which the machine has been restarted; undone afterwards."""
    boot_id = tmp_path / "boot_id"
    boot_id.write_text(f"{uuid4()}\n")
    boot_id.chmod(0o644)
    unshare = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "-r", "--mount"]
    mounted = f'mount --bind "{boot_id}" {BOOT_ID} && exec "$@"'
    yield [*unshare, "sh", "-c", mounted, "sh"]
    power_off(stack)
    stack.before = []
    stack.start()


def power_off(stack: Stack) -> None:
    """SIGKILL for the platform and all that the Local cloud runs."""
    everything = stack.all_processes()
    for process in everything:
        process.kill()
    assert stack.manager is not None
    stack.manager.wait(10)
    assert not processes.sweep("BODO_STATE", str(stack.data_dir / "local"), seconds=10)
    wait_until(lambda: not any(process.is_running() for process in everything))


def test_machine_restarts_under_clusters_and_jobs(other_boot: list[str], scene: Scene) -> None:
    cluster, paused = (scene.create_cluster(name) for name in ("Goes down", "Sleeps"))
    for uuid in (cluster, paused):
        scene.wait_for_cluster(uuid, "RUNNING")
    scene.person.press("clusters", paused, "pause")
    scene.expected[paused] = "PAUSED"
    job = scene.run_job("Goes down too", cluster, MANY_TICKS)
    scene.wait_for_job(job, "RUNNING")
    wait_until(lambda: scene.cluster(paused).state == "PAUSED", timeout=30)

    down_at = timezone.now()
    power_off(scene.stack)
    scene.stack.before = other_boot
    scene.stack.start()

    wait_until(lambda: scene.cluster(cluster).state == "FAILED", timeout=30)
    wait_until(lambda: not scene.job(job).is_unsettled, timeout=30)
    scene.note("machine", "run", down_at)
    scene.expected[job] = "FAILED"
    assert scene.cluster(cluster).state_reason == "The machine was restarted."
    assert scene.job(job).reason == "NodeLost"
    interval = UsageInterval.objects.using(DATABASE).get(cluster__uuid=cluster)
    assert interval.ended_at is not None
    begun = max(interval.started_at, down_at - HEARTBEAT - timedelta(seconds=1))
    assert begun <= interval.ended_at <= down_at + timedelta(seconds=2)

    scene.wait_until_settled(cluster)
    assert scene.person.press("clusters", cluster, "retry").is_accepted
    assert scene.person.press("clusters", paused, "resume").is_accepted
    scene.expected |= {paused: "RUNNING"}
    for uuid in (cluster, paused):
        wait_until(lambda uuid=uuid: scene.cluster(uuid).state == "RUNNING", timeout=60)
    again = scene.run_job("Runs again", cluster)
    scene.wait_for_job(again, "SUCCEEDED")
    for uuid in (cluster, paused):
        scene.remove_cluster(uuid)
    for uuid in (cluster, paused):
        scene.wait_for_cluster(uuid, "TERMINATED")
