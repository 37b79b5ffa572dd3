"""Somebody else holds the database's write lock: for less, and for more, than everybody waits."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connections
from django.utils import timezone

from tests.faults.scene import DATABASE, Scene

pytestmark = [pytest.mark.timeout(300)]

BUSY_TIMEOUT = 20  # seconds, of the settings


LOCKS = {
    "sqlite": "BEGIN IMMEDIATE",
    "postgresql": "BEGIN; LOCK TABLE workspaces_operation, clusters_cluster, jobs_job, "
    "django_q_ormq IN EXCLUSIVE MODE",
}


@contextmanager
def write_lock(seconds: float) -> Iterator[threading.Thread]:
    """Held from here on for that long, by a connection of its own; the block may end before."""
    holder = connections.create_connection(DATABASE)
    holder.inc_thread_sharing()
    with holder.cursor() as cursor:
        cursor.execute(LOCKS[holder.vendor])
        release = threading.Timer(seconds, cursor.execute, ["ROLLBACK"])
        release.start()
        try:
            yield release
        finally:
            release.join()
            holder.close()


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(5, marks=pytest.mark.fault),
        pytest.param(BUSY_TIMEOUT + 5, marks=pytest.mark.soak),
    ],
)
def test_database_locked_for_seconds(scene: Scene, seconds: int) -> None:
    """Pages are read meanwhile, a running job goes on, and what waits is done afterwards, once."""
    cluster = scene.create_cluster(f"Locked {seconds}")
    scene.wait_for_cluster(cluster, "RUNNING")
    job = scene.run_job(f"Locked {seconds}", cluster)
    scene.wait_for_job(job, "RUNNING")

    with write_lock(seconds) as lock:
        page = scene.person.get_at_last(f"/w/{scene.cluster(cluster).workspace.uuid}/clusters/")
        was_held = lock.is_alive()
    released_at = timezone.now()

    assert was_held
    assert page.status == http.client.OK
    scene.wait_for_job(job, "SUCCEEDED")
    scene.note("write lock", f"{seconds} s of a run", released_at)
    scene.remove_cluster(cluster)
    scene.wait_for_cluster(cluster, "TERMINATED")
