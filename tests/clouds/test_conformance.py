"""What every provider must do, as functions of a ``Cloud``.

The ones without the mark need no running machine. ``case`` is a fixture that each provider
parametrizes: a cloud, specs that it can satisfy quickly, and how long a creation may take.
"""

from __future__ import annotations

import subprocess

import pytest

from tests.clouds.cases import Case, create, drive, log_of, run_to_end
from tests.clouds.ledgers import MemoryLedger
from workspaces.clouds.base import CloudError, ClusterPhase, ClusterSpec
from workspaces.clouds.commands import CommandState


def test_lists_are_filled_and_labelled(case: Case) -> None:
    region = case.cloud.regions()[0].name

    assert case.cloud.instance_types(region)
    assert all("Cores: " in kind.label for kind in case.cloud.instance_types(region))
    assert all(check.ok for check in case.cloud.validate())


def test_more_than_there_is_is_refused_in_a_sentence(case: Case) -> None:
    kind = case.cluster(nodes=1).instance_type

    with pytest.raises(CloudError) as refusal:
        case.cloud.check_capacity(case.cloud.regions()[0].name, kind, 10_000)

    assert refusal.value.code == "Capacity"
    assert refusal.value.message.endswith(".")


def test_unknown_cluster_is_absent_and_can_be_removed(case: Case) -> None:
    spec = case.cluster(nodes=1)

    assert case.cloud.observe_clusters([spec.uuid])[spec.uuid].phase is ClusterPhase.ABSENT
    assert case.cloud.remove_cluster(spec, MemoryLedger()).is_done


def test_unknown_command_is_absent_and_its_log_is_empty(case: Case) -> None:
    spec = case.command(case.cluster(nodes=1), "ex.py")

    assert case.cloud.observe_command(spec).state is CommandState.ABSENT
    assert case.cloud.cancel_command(spec, reason="Cancelled").state is CommandState.ABSENT
    assert case.cloud.read_log(spec.uuid, offset=0, max_bytes=1000).lines == ()


def test_command_on_a_cluster_that_is_not_there_is_refused(case: Case) -> None:
    with pytest.raises(CloudError):
        case.cloud.ensure_command(case.command(case.cluster(nodes=1), "ex.py"), MemoryLedger())


def test_log_of_an_unknown_command_can_be_removed(case: Case) -> None:
    case.cloud.remove_log(case.command(case.cluster(nodes=1), "ex.py").uuid)


def test_workspace_comes_and_goes_leaving_nothing(case: Case) -> None:
    ledger, spec = MemoryLedger(), case.new_workspace()

    drive(lambda: case.cloud.ensure_workspace(spec, ledger), case.seconds)
    assert spec.uuid in {found.workspace for found in case.cloud.inventory()}
    drive(lambda: case.cloud.remove_workspace(spec, ledger), case.seconds)

    assert ledger.open_resources() == []
    assert spec.uuid not in {found.workspace for found in case.cloud.inventory()}


def test_the_shared_tree_takes_gives_and_forgets_files(case: Case) -> None:
    """F019."""
    files = case.cloud.shared_files(case.workspace)

    files.make_folder("", "data")
    draft = files.draft("data", "a.csv", max_bytes=4)
    draft.write(b"1,2\n")
    draft.commit(replace=False)
    files.make_folder("data", "old")
    reader = files.open(files.move("data/a.csv", "data/old", "b.csv"))
    reader.only(2, 4)
    content = b"".join(reader)
    reader.close()
    files.remove("data")

    assert content == b"2\n"
    assert files.list("", hidden=True, start=0, count=9).total == 0
    assert files.measure(seconds=60)
    assert files.usage().used_bytes == 0


def test_unknown_bodo_version_fails_in_a_sentence(case: Case) -> None:
    spec = case.cluster(nodes=1, bodo_version="no/such")

    with pytest.raises(CloudError) as refusal:
        case.cloud.ensure_cluster(spec, case.ledger)

    assert "no/such" in refusal.value.message


@pytest.mark.e2e
def test_cluster_runs_a_job_and_leaves_nothing(running: Case) -> None:
    commit = running.git.commit("demo", {"ex.py": EXAMPLE})
    spec = running.cluster(nodes=2)

    status = create(running, spec)
    assert len({node.name for node in status.nodes}) == (2 if running.has_own_names else 1)
    command = running.command(spec, "ex.py", "1", source="demo", environment={"WHO": "hidden-1"})
    done = run_to_end(running, command)

    assert (done.exit_code, done.reason, done.source_commit) == (0, "", commit)
    lines = log_of(running, command)
    assert lines[0].stream == "platform"
    ranks = {line.rank: line.text for line in lines if line.rank is not None}
    assert ranks == {n: f"rank {n} of 2 on {status.nodes[n].name}: 1" for n in (0, 1)}
    assert all(line.text != "hidden-1" for line in lines)

    receipt = drive(lambda: running.cloud.remove_cluster(spec, running.ledger), running.seconds)
    assert receipt.message.endswith("nothing is left")
    assert spec.uuid not in {found.cluster for found in running.cloud.inventory()}
    assert not [name for _, name in running.ledger.open_resources() if str(spec.uuid) in name]
    assert log_of(running, command) == lines
    assert running.cloud.observe_command(command) == done


@pytest.mark.e2e
def test_documented_lines_work_as_the_page_shows_them(running: Case) -> None:
    """F148, F149, F151: one host name per node, one line per core, the same Python everywhere."""
    spec = running.cluster(nodes=2)
    status = create(running, spec)
    launch = f"mpiexec -n {spec.core_count} -f {running.cloud.hostfile_path(spec)}"

    names = _typed(running, spec, f"{launch} hostname")
    versions = _typed(running, spec, f"{launch} python --version")

    assert sorted(names) == sorted(node.name for node in status.nodes)
    assert len(versions) == spec.core_count
    assert len(set(versions)) == 1


def _typed(running: Case, spec: ClusterSpec, line: str) -> list[str]:
    script = "\n".join([*running.cloud.shell_setup(spec), line])
    done = subprocess.run(["/bin/sh", "-ec", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.e2e
def test_steps_that_repeat_change_nothing(running: Case) -> None:
    spec = running.cluster(nodes=1)
    first = create(running, spec)

    again = running.cloud.ensure_cluster(spec, running.ledger)

    assert (again.phase, again.nodes) == (ClusterPhase.READY, first.nodes)
    announced = [entry for entry in running.ledger.history if entry[0] == "announce"]
    assert len(announced) == len(set(announced))


@pytest.mark.e2e
def test_stopped_cluster_starts_afresh_in_another_size(running: Case) -> None:
    small, large = running.cluster(nodes=1), running.cluster(nodes=2)
    large = type(large)(small.uuid, *[getattr(large, n) for n in FIELDS_BUT_UUID])
    create(running, small)

    drive(lambda: running.cloud.stop_cluster(small), running.seconds)
    stopped = running.cloud.observe_clusters([small.uuid])[small.uuid]
    status = create(running, large)

    assert stopped.phase is ClusterPhase.ABSENT
    assert len(status.nodes) == 2


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("script", "code", "reason"),
    [("exit 3", 3, "NonZeroExitCode"), ("missing", None, "NoSuchScript")],
)
def test_failed_job_says_why(running: Case, script: str, code: int | None, reason: str) -> None:
    running.git.commit("failing", {"ex.py": "raise SystemExit(3)"})
    spec = running.cluster(nodes=1)
    create(running, spec)
    name = "typo.py" if script == "missing" else "ex.py"

    done = run_to_end(running, running.command(spec, name, source="failing"))

    assert done.reason == reason
    if code is not None:
        assert done.exit_code == code


@pytest.mark.e2e
def test_cancelled_job_ends_at_once(running: Case) -> None:
    running.git.commit("endless", {"ex.py": "import time; print('on'); time.sleep(600)"})
    spec = running.cluster(nodes=1)
    create(running, spec)
    command = running.command(spec, "ex.py", source="endless")
    drive(lambda: running.cloud.ensure_command(command, running.ledger), 30, until="running")

    drive(
        lambda: running.cloud.cancel_command(command, reason="Cancelled"),
        running.seconds,
        until="exited",
    )

    assert running.cloud.observe_command(command).reason == "Cancelled"
    chunk = running.cloud.read_log(command.uuid, offset=0, max_bytes=100_000)
    assert chunk.is_complete


@pytest.mark.e2e
def test_removal_overtakes_a_creation(running: Case) -> None:
    spec = running.cluster(nodes=2)
    running.cloud.ensure_cluster(spec, running.ledger)

    drive(lambda: running.cloud.remove_cluster(spec, running.ledger), running.seconds)

    assert running.cloud.observe_clusters([spec.uuid])[spec.uuid].phase is ClusterPhase.ABSENT
    assert spec.uuid not in {found.cluster for found in running.cloud.inventory()}


FIELDS_BUT_UUID = ("workspace", "instance_type", "node_count", "bodo_version")
EXAMPLE = """
import socket, sys
import bodo
print(f"rank {bodo.get_rank()} of {bodo.get_size()} on {socket.gethostname()}: {sys.argv[1]}")
"""
