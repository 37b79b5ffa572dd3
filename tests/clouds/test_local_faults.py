"""Real clusters that meet an accident."""

from __future__ import annotations

import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.clouds.cases import Case, create, drive, log_of, run_to_end
from tests.clouds.ledgers import MemoryLedger
from tests.waiting import wait_until
from workspaces.clouds.base import CloudError, ClusterPhase, ClusterSpec, ClusterStatus
from workspaces.clouds.local import processes
from workspaces.clouds.local.driver import LocalCloud

pytestmark = pytest.mark.e2e


def look(case: Case, spec: ClusterSpec) -> ClusterStatus:
    return case.cloud.observe_clusters([spec.uuid])[spec.uuid]


def failed(case: Case, spec: ClusterSpec) -> ClusterStatus:
    wait_until(lambda: look(case, spec).phase is ClusterPhase.FAILED, timeout=8)
    return look(case, spec)


def programs(spec: ClusterSpec, words: str) -> list[processes.Process]:
    """The Python processes of this cluster that run these words."""
    return [
        process
        for process in processes.marked("BODO_CLUSTER", str(spec.uuid))
        if words in (line := command_line(process)) and "python" in line.split()[0]
    ]


def command_line(process: processes.Process) -> str:
    """A blank one when the process has ended meanwhile."""
    try:
        line = Path(f"/proc/{process.pid}/cmdline").read_bytes()
    except OSError:
        return " "
    return line.decode().replace("\0", " ")


def program(spec: ClusterSpec, words: str) -> processes.Process:
    return programs(spec, words)[0]


@pytest.mark.parametrize(
    ("victim", "cause"),
    [
        ("ipyparallel.engine", "(signal 9, Killed)"),
        ("ipyparallel.controller", "controller ended with exit code 137"),
        ("shim/__main__.py", "The process that watched the cluster was killed."),
    ],
)
def test_dead_part_fails_the_cluster_with_its_cause(running: Case, victim: str, cause: str) -> None:
    spec = running.cluster(nodes=2)
    create(running, spec)

    processes.send(program(spec, victim), signal.SIGKILL)

    status = failed(running, spec)
    assert cause in status.message
    assert status.error is not None
    assert status.last_seen_at == pytest.approx(time.time(), abs=15)
    assert running.cloud.ensure_cluster(spec, running.ledger).phase is ClusterPhase.FAILED


def test_failed_cluster_starts_afresh_after_a_stop(running: Case) -> None:
    spec = running.cluster(nodes=1)
    create(running, spec)
    processes.send(program(spec, "ipyparallel.controller"), signal.SIGKILL)
    failed(running, spec)

    drive(lambda: running.cloud.stop_cluster(spec), 15)

    assert create(running, spec).phase is ClusterPhase.READY


def test_many_workers_make_one_engine_set(running: Case) -> None:
    spec = running.cluster(nodes=2)

    with ThreadPoolExecutor(4) as workers:
        found = list(workers.map(lambda _: create(running, spec), range(4)))

    assert {status.phase for status in found} == {ClusterPhase.READY}
    names = [process.name for process in processes.marked("BODO_CLUSTER", str(spec.uuid))]
    assert len([name for name in names if name.startswith("mpiexec")]) == 1, names
    # A starter that came second leaves once it sees that another one runs the set.
    wait_until(lambda: len(programs(spec, "shim/__main__.py")) == 1)


def test_restart_of_the_machine_is_told(running: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = running.cluster(nodes=1)
    create(running, spec)
    shim = program(spec, "shim/__main__.py")
    processes.send(shim, signal.SIGKILL)
    wait_until(lambda: look(running, spec).phase is ClusterPhase.FAILED)
    monkeypatch.setattr(processes, "boot_id", lambda: "after")

    assert look(running, spec).message == "The machine was restarted."


def test_removal_works_after_everything_was_deleted_by_hand(running: Case) -> None:
    spec = running.cluster(nodes=2)
    create(running, spec)
    assert isinstance(running.cloud, LocalCloud)
    layout = running.cloud._layout
    for folder in (layout.cluster(spec.uuid), layout.runs):
        shutil.rmtree(folder)

    drive(lambda: running.cloud.remove_cluster(spec, running.ledger), 15)

    assert processes.marked("BODO_CLUSTER", str(spec.uuid)) == []
    assert not [name for _, name in running.ledger.open_resources() if str(spec.uuid) in name]


def test_killed_rank_gives_the_signal_on_several_nodes_too(running: Case) -> None:
    killer = "from mpi4py import MPI; import os, time; "
    killer += "MPI.COMM_WORLD.rank and os.kill(os.getpid(), 11); time.sleep(60)"
    running.git.commit("killer", {"ex.py": killer})
    spec = running.cluster(nodes=2)
    create(running, spec)

    done = run_to_end(running, running.command(spec, "ex.py", source="killer"))

    assert (done.exit_code, done.reason) == (11, "NonZeroExitCode")
    assert done.message == "A process was ended by signal 11 (Segmentation fault)"


def test_daemon_left_by_a_rank_does_not_hang_the_job(running: Case) -> None:
    daemon = "import subprocess; print('over', flush=True); "
    daemon += "subprocess.Popen(['sleep', '600'], start_new_session=True)"
    running.git.commit("daemon", {"ex.py": daemon})
    spec = running.cluster(nodes=2)
    create(running, spec)
    command = running.command(spec, "ex.py", source="daemon", seconds=30)

    done = run_to_end(running, command)

    assert (done.exit_code, done.reason) == (0, "")
    # the shim itself ends a moment after it has told the end
    wait_until(lambda: not processes.marked("BODO_RUN", str(command.uuid)), timeout=5)


def test_cancelled_ranks_leave_no_shared_memory(running: Case) -> None:
    hello = "from mpi4py import MPI; import time; MPI.COMM_WORLD.barrier(); "
    hello += "print('on', flush=True); time.sleep(600)"
    running.git.commit("memory", {"ex.py": hello})
    spec = running.cluster(nodes=2)
    create(running, spec)
    command = running.command(spec, "ex.py", source="memory")
    running.cloud.ensure_command(command, running.ledger)

    def is_on() -> bool:
        chunk = running.cloud.read_log(command.uuid, offset=0, max_bytes=10_000)
        return "on" in [line.text for line in chunk.lines]

    wait_until(is_on, timeout=30)
    mapped = {
        line.split()[-1]
        for process in processes.marked("BODO_RUN", str(command.uuid))
        for line in Path(f"/proc/{process.pid}/maps").read_text().splitlines()
        if "/mpich_shm_" in line
    }

    drive(lambda: running.cloud.cancel_command(command, reason="Cancelled"), 15, until="exited")

    assert mapped
    assert not [path for path in mapped if Path(path).exists()]
    assert log_of(running, command)[-1].text == "Ended on request"


def test_a_version_that_does_not_exist_is_explained(running: Case) -> None:
    spec = running.cluster(nodes=1, bodo_version="1999.1")

    def refused() -> str:
        try:
            running.cloud.ensure_cluster(spec, MemoryLedger())
        except CloudError as refusal:
            return refusal.message
        return ""

    message = wait_until(refused, timeout=60, every=0.1)

    assert message.startswith("Bodo 1999.1 could not be installed: ")
    assert "1999.1" in message[len("Bodo 1999.1 could not be installed: ") :]
