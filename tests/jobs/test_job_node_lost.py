"""A cluster dies under a job, on the real Local cloud with a runtime that has no Bodo."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest
from django.utils import timezone

from clusters.models import Cluster
from clusters.services import cluster_mark_lost, cluster_mark_ready, cluster_spec
from jobs.models import Job
from jobs.services import command_spec
from tests.clouds import fake_runtime
from tests.clouds.ledgers import MemoryLedger
from tests.waiting import wait_until
from workspaces.clouds.local import processes, runs
from workspaces.clouds.local.driver import LocalCloud
from workspaces.clouds.local.shim.state import RunState
from workspaces.models import Operation, Workspace
from workspaces.operations.runner import run_step
from workspaces.services.workspaces import workspace_spec


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workspace: Workspace) -> LocalCloud:
    cloud = LocalCloud({"root": tmp_path / "state", "cores": 4})
    fake_runtime.install(tmp_path / "state")
    monkeypatch.setattr("workspaces.services.clouds.cloud_for", lambda provider, settings: cloud)
    cloud.ensure_workspace(workspace_spec(workspace), MemoryLedger())
    return cloud


@pytest.fixture
def taken(local: LocalCloud, cluster: Callable[..., Cluster]) -> Iterator[Cluster]:
    """RUNNING for the platform; on the machine it has places and a folder, and no engines."""
    made = cluster("Alpha", state="INPROGRESS", bodo_version=fake_runtime.VERSION, node_count=1)
    local._clusters.reservations.reserve(cluster_spec(made))
    cluster_mark_ready(cluster=made, now=timezone.now())
    made.refresh_from_db()
    yield made
    spec = cluster_spec(made)
    wait_until(lambda: local.remove_cluster(spec, MemoryLedger()).is_done, timeout=60)


@pytest.fixture
def job(taken: Cluster, submit_on: Callable[[Cluster], Job]) -> Job:
    return submit_on(taken)


@pytest.fixture
def submit_on(post: Callable[..., object]) -> Callable[[Cluster], Job]:
    def make(cluster: Cluster) -> Job:
        command = "-c 'import time; time.sleep(600)'"
        post(cluster=cluster.pk, command=command, source_kind="WORKSPACE", source_folder="")
        return Job.objects.get()

    return make


def _step(target: UUID) -> None:
    operation = Operation.objects.unsettled().for_target(target).first()
    if operation:
        Operation.objects.filter(pk=operation.pk).update(next_step_at=timezone.now())
        run_step(operation.pk)


def _steps_until_ended(job: Job) -> Job:
    def ended() -> bool:
        _step(job.uuid)
        job.refresh_from_db()
        return not job.is_unsettled

    wait_until(ended, timeout=60, every=0.05)
    return job


def _is_running(job: Job) -> bool:
    _step(job.uuid)
    job.refresh_from_db()
    return job.state == Job.State.RUNNING


def _found_dead(cluster: Cluster) -> None:
    """As the periodic check would, and the clean-up that follows."""
    cluster_mark_lost(cluster=cluster, last_seen_at=timezone.now(), reason="A node died.")
    wait_until(lambda: _is_clean(cluster), timeout=60, every=0.05)


def _is_clean(cluster: Cluster) -> bool:
    _step(cluster.uuid)
    return not Operation.objects.unsettled().for_target(cluster.uuid).exists()


@pytest.fixture
def speechless_shim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real process that dies before its first word."""
    script = tmp_path / "speechless.py"
    script.write_text("import sys; sys.stdin.read()")
    monkeypatch.setattr(runs, "SHIM", script)


@pytest.mark.usefixtures("speechless_shim")
def test_cluster_cleaned_before_the_run_wrote_its_state(
    job: Job, taken: Cluster, local: LocalCloud
) -> None:
    _step(job.uuid)
    before = local.observe_command(command_spec(job)).state

    _found_dead(taken)
    _steps_until_ended(job)

    assert before == "starting"
    assert (job.status, job.reason) == ("FAILED", "NodeLost")
    assert "Cluster Alpha went away" in job.message
    assert "another cluster" in job.next_step


@pytest.mark.usefixtures("speechless_shim")
def test_cluster_deleted_by_hand_before_the_platform_noticed(
    job: Job, taken: Cluster, local: LocalCloud
) -> None:
    _step(job.uuid)

    local.remove_cluster(cluster_spec(taken), MemoryLedger())
    _steps_until_ended(job)

    taken.refresh_from_db()
    assert (job.reason, taken.state) == ("NodeLost", "RUNNING")


def test_cluster_and_watcher_of_the_run_die_together(job: Job, local: LocalCloud) -> None:
    """The cluster has no engines any more; the platform looks for that only every 5 seconds."""
    wait_until(lambda: _is_running(job), timeout=60)
    state = RunState.read(local._layout.command_state(job.uuid))
    assert state is not None
    local._clusters.reservations.change(job.cluster.uuid, is_stopped=True)

    shim = processes.look_up(state.pid)
    assert shim is not None
    processes.send(shim, signal.SIGKILL)
    wait_until(lambda: not processes.is_alive(state.pid, state.start_ticks))
    _steps_until_ended(job)

    assert job.reason == "NodeLost"


def test_cluster_found_dead_while_the_job_runs(job: Job, taken: Cluster) -> None:
    wait_until(lambda: _is_running(job), timeout=60)

    _found_dead(taken)
    _steps_until_ended(job)

    assert job.reason == "NodeLost"
