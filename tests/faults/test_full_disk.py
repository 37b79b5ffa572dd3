"""The disk with the database, the logs and the runs' folders is full while a job prints."""

from __future__ import annotations

import http.client
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.utils import timezone
from django.utils.html import escape
from pytest_django.plugin import DjangoDbBlocker

from bodoweb.middleware import FULL_SENTENCE
from tests.faults.conftest import played, signed_in
from tests.faults.scene import Scene
from tests.small_disk import SmallDisk, small_disk
from tests.stack import Stack
from tests.waiting import wait_until
from workspaces.clouds.local import processes

pytestmark = [pytest.mark.fault, pytest.mark.timeout(300)]

TICKS = 16


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", mib=24) as small:
        yield small


@pytest.fixture
def full_scene(
    request: pytest.FixtureRequest,
    disk: SmallDisk,
    other_stack: Callable[..., Stack],
    source: str,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[Scene]:
    stack = other_stack({"DATABASE_URL": f"sqlite:///{disk.path}/bodoweb.sqlite3"})
    for name in ("logs", "runs"):
        (disk.path / name).mkdir()
        (stack.data_dir / "local" / name).symlink_to(disk.path / name)
    with (
        stack,
        django_db_blocker.unblock(),
        played(request, stack, signed_in(stack), source) as scene,
    ):
        yield scene


def ask(disk: SmallDisk, pragma: str) -> str:
    with sqlite3.connect(disk.path / "bodoweb.sqlite3", timeout=20) as database:
        return str(database.execute(f"PRAGMA {pragma}").fetchone()[0])


def test_disk_full_while_a_job_prints(full_scene: Scene, disk: SmallDisk) -> None:
    scene = full_scene
    cluster = scene.create_cluster("Full")
    scene.wait_for_cluster(cluster, "RUNNING")
    job = scene.run_job("Full", cluster, TICKS, width=2000)
    scene.wait_for_job(job, "RUNNING")
    wait_until(lambda: "tick 1 of" in scene.person.log(job))
    pages = f"/w/{scene.cluster(cluster).workspace.uuid}"
    lists, log = (f"{pages}/clusters/", f"{pages}/jobs/"), f"{pages}/jobs/{job}/log/"

    # So that the next write needs room: what the write-ahead log holds could be written again.
    wait_until(lambda: ask(disk, "wal_checkpoint(TRUNCATE)") == "0")
    disk.fill()
    refused = scene.person.press("clusters", cluster, "snooze")
    answers = [scene.person.get_at_last(page) for page in (*lists, log)]
    wait_until(lambda: len(processes.marked("BODO_RUN", str(job))) == 1, timeout=30)  # its shim
    disk.fill()
    unfinished = scene.job(job)
    emptied_at = timezone.now()
    disk.make_room()

    assert refused.status == http.client.SERVICE_UNAVAILABLE
    assert escape(FULL_SENTENCE) in refused.text
    assert [answer.status for answer in answers] == [http.client.OK] * 3
    assert unfinished.state == "RUNNING"
    scene.wait_for_job(job, "SUCCEEDED")
    scene.note("full disk", "run", emptied_at)
    assert "The disk was full: " in (told := scene.person.log(job))
    assert "tick 0 of rank 0" in told
    assert "Ended with exit code 0" in told
    assert ask(disk, "integrity_check") == "ok"
    after = scene.run_job("After", cluster)
    scene.wait_for_job(after, "SUCCEEDED")
    scene.remove_cluster(cluster)
    scene.wait_for_cluster(cluster, "TERMINATED")
