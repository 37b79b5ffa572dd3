"""The real stack: what dies comes back, what is asked to stop stops, nothing is left behind."""

from __future__ import annotations

import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from tests.stack import Stack
from tests.waiting import wait_until

NEW_WORKSPACE = """
from uuid import UUID
from workspaces.models import CloudConfiguration
from workspaces.operations import Actor
from workspaces.services import workspace_create

here = CloudConfiguration.objects.get()
workspace_create(
    uuid=UUID("{uuid}"), organization=here.organization, name="{uuid}",
    cloud_configuration=here, region="local", actor=Actor(),
)
"""

BUSY_FOR_25_SECONDS = """
from django_q.tasks import async_task
for _ in range(2):
    async_task("subprocess.run", ["sleep", "25"])
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("stack")) as running:
        running.demo()
        yield running


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Stack]:
    with Stack(tmp_path / "data") as running:
        yield running


def rows(stack: Stack, sql: str, *values: object) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(stack.data_dir / "bodoweb.sqlite3", timeout=20)) as database:
        return database.execute(sql, values).fetchall()


def workspace_is_deployed(stack: Stack) -> float:
    """Ask for a workspace and wait until the workers have deployed it; how many seconds it took."""
    uuid = uuid4()
    stack.manage("shell", "-c", NEW_WORKSPACE.format(uuid=uuid))
    began = time.monotonic()
    ready = "SELECT 1 FROM workspaces_workspace WHERE uuid = ? AND status = 'READY'"
    wait_until(lambda: rows(stack, ready, uuid.hex), timeout=30)
    return time.monotonic() - began


def is_gone(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


QUEUE_ROLES = ("worker", "monitor", "pusher", "sentinel", "qcluster")


@pytest.mark.fault
@pytest.mark.parametrize("role", [*QUEUE_ROLES, "watchdog"])
def test_work_goes_on_after_a_queue_process_was_killed(stack: Stack, role: str) -> None:
    wait_until(stack.is_complete, timeout=60)
    before = stack.processes()
    family = [process for name in QUEUE_ROLES for process in before[name]]

    stack.kill(role)

    workspace_is_deployed(stack)
    wait_until(lambda: all(map(is_gone, family)), timeout=5)
    wait_until(stack.is_complete, timeout=30)
    wait_until(lambda: stack.health()["status"] == "ok", timeout=30)


@pytest.mark.fault
def test_work_goes_on_after_a_busy_worker_was_killed(stack: Stack) -> None:
    wait_until(stack.is_complete, timeout=60)
    stack.manage("shell", "-c", BUSY_FOR_25_SECONDS)
    wait_until(lambda: all(worker.children() for worker in stack.processes()["worker"]))
    worker = stack.processes()["worker"][0]
    helper = worker.children()[0]

    worker.kill()

    assert workspace_is_deployed(stack) < 15
    wait_until(lambda: is_gone(worker) and is_gone(helper))


@pytest.mark.fault
@pytest.mark.parametrize("role", ["controller", "notebooks", "web_worker", "web"])
def test_what_serves_comes_back(stack: Stack, role: str) -> None:
    wait_until(stack.is_complete, timeout=60)

    killed = stack.kill(role)

    wait_until(lambda: killed not in stack.pids().get(role, [killed]), timeout=20)
    wait_until(lambda: stack.health().get("status") == "ok", timeout=20)
    wait_until(stack.is_notebook_origin_up, timeout=20)
    workspace_is_deployed(stack)


@pytest.mark.fault
def test_a_frozen_worker_pool_is_noticed_by_the_canary(stack: Stack) -> None:
    wait_until(stack.is_complete, timeout=60)
    frozen = stack.processes()["worker"]

    for process in frozen:
        process.send_signal(signal.SIGSTOP)

    wait_until(lambda: stack.health()["workers"] == "late", timeout=60)
    assert stack.health()["status"] == "degraded"
    wait_until(lambda: all(map(is_gone, frozen)), timeout=30)
    workspace_is_deployed(stack)


@pytest.mark.fault
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_leaves_no_process_and_exits_cleanly(fresh: Stack, how: signal.Signals) -> None:
    processes = fresh.all_processes()

    code = fresh.stop(how, timeout=30)

    assert code == 0
    assert all(map(is_gone, processes))
    assert "Traceback" not in fresh.log()


@pytest.mark.fault
def test_a_killed_manager_takes_everything_along_and_starts_again(fresh: Stack) -> None:
    processes = fresh.all_processes()
    assert len(processes) >= 13

    fresh.kill("manager")

    wait_until(lambda: all(map(is_gone, processes)), timeout=10)
    fresh.start()
    fresh.demo()


@pytest.mark.fault
def test_a_second_start_is_refused_with_a_sentence(fresh: Stack) -> None:
    same_folder = fresh.manage("up", check=False)
    same_port = Stack(fresh.data_dir.parent / "other", {"BODO_PORT": str(fresh.port)})

    assert "runs already from" in same_folder
    assert f"Port {fresh.port} on 127.0.0.1 can not be used" in same_port.manage("up", check=False)
    assert fresh.health()["status"] == "ok"
