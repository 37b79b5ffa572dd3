"""Commands of the Local cloud on a runtime without Bodo: fast, and all of the real shim."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from tests.clouds import fake_runtime
from tests.clouds.cases import Case, drive, log_of, run_to_end
from tests.git_server import GitServer
from tests.waiting import wait_until
from workspaces.clouds.base import CloudError, ClusterSpec
from workspaces.clouds.commands import (
    CommandSpec,
    CommandState,
    CommandStatus,
    GitSource,
    LogLine,
    WorkspaceSource,
)
from workspaces.clouds.local import processes, runs
from workspaces.clouds.local.driver import LocalCloud
from workspaces.clouds.local.reservations import Reservations
from workspaces.clouds.local.shim.state import RunState


@pytest.fixture
def quick(tmp_path: Path, git: GitServer) -> Iterator[Case]:
    state = tmp_path / "state"
    cloud = LocalCloud({"root": state, "cores": 4})
    fake_runtime.install(state)
    found = Case(cloud, fake_runtime.VERSION, git, seconds=15)
    yield found
    found.clean_up()


def reserved(case: Case, *, nodes: int = 1) -> ClusterSpec:
    """A cluster with its places and folder, without engines."""
    spec = case.cluster(nodes=nodes)
    reservations(case).reserve(spec)
    return spec


def reservations(case: Case) -> Reservations:
    assert isinstance(case.cloud, LocalCloud)
    return case.cloud._clusters.reservations


def state_of(case: Case, command: UUID) -> RunState:
    assert isinstance(case.cloud, LocalCloud)
    path = case.cloud._layout.command_state(command)
    found = wait_until(lambda: RunState.read(path))
    assert found is not None
    return found


def start(case: Case, command: CommandSpec) -> CommandStatus:
    return drive(
        lambda: case.cloud.ensure_command(command, case.ledger), 10, until=CommandState.RUNNING
    )


def code(case: Case, text: str, **options: int) -> CommandSpec:
    return case.command(reserved(case), "-c", text, **options)


def test_log_begins_with_the_source_and_ends_with_the_exit_code(quick: Case) -> None:
    commit = quick.git.commit("log", {"ex.py": "import sys; print('ran', *sys.argv[1:])"})
    spec = quick.command(reserved(quick, nodes=2), "ex.py", "1 2", source="log")

    done = run_to_end(quick, spec)

    assert (done.state, done.exit_code, done.source_commit) == ("exited", 0, commit)
    lines = log_of(quick, spec)
    assert [line.text for line in lines if line.stream == "platform"] == [
        f"Cloning {quick.git.url('log')}",
        f"Checked out {commit}",
        "Running: mpiexec -n 2 python ex.py '1 2'",
        "Ended with exit code 0",
    ]
    assert sorted((line.rank, line.text) for line in lines if line.rank is not None) == [
        (0, "ran 1 2"),
        (1, "ran 1 2"),
    ]


def test_work_folder_goes_and_log_stays(quick: Case, tmp_path: Path) -> None:
    quick.git.commit("folder", {"ex.py": "open('left-behind', 'w')"})
    spec = quick.command(reserved(quick), "ex.py", source="folder")

    run_to_end(quick, spec)

    assert not list(tmp_path.rglob("left-behind"))
    assert log_of(quick, spec)


def test_log_is_removed_with_everything_that_is_kept_of_the_run(
    quick: Case, tmp_path: Path
) -> None:
    spec = code(quick, "print('forget me')")
    run_to_end(quick, spec)

    quick.cloud.remove_log(spec.uuid)
    quick.cloud.remove_log(spec.uuid)

    assert not list(tmp_path.rglob(f"*{spec.uuid}*"))


def test_log_of_a_running_command_is_not_removed(quick: Case) -> None:
    spec = code(quick, "import time; time.sleep(600)")
    start(quick, spec)

    with pytest.raises(CloudError, match="has not ended"):
        quick.cloud.remove_log(spec.uuid)

    assert log_of_now(quick, spec)


def log_of_now(case: Case, command: CommandSpec) -> tuple[LogLine, ...]:
    return case.cloud.read_log(command.uuid, offset=0, max_bytes=100_000).lines


def test_output_can_be_followed_while_it_runs(quick: Case) -> None:
    spec = code(quick, "print('early', flush=True); import time; time.sleep(600)")
    start(quick, spec)

    def texts() -> list[str]:
        chunk = quick.cloud.read_log(spec.uuid, offset=0, max_bytes=100_000)
        assert not chunk.is_complete
        return [line.text for line in chunk.lines]

    wait_until(lambda: "early" in texts())


def test_users_variables_arrive_and_the_launchers_do_not(quick: Case) -> None:
    text = "import os; print(os.environ['GREETING'], os.environ.get('LD_PRELOAD'))"
    cluster = reserved(quick)
    wanted = {"GREETING": "hello", "LD_PRELOAD": "/x.so", "HYDRA_IFACE": "eth0"}
    spec = quick.command(cluster, "-c", text, environment=wanted)

    run_to_end(quick, spec)

    texts = [line.text for line in log_of(quick, spec)]
    assert "hello None" in texts
    assert texts[0] == "Not passed on, reserved for the platform: HYDRA_IFACE, LD_PRELOAD"


def test_platforms_own_environment_stays_outside(
    quick: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BODO_SECRET_KEY", "platform-secret")
    spec = code(quick, "import os; print(dict(os.environ))")

    run_to_end(quick, spec)

    assert "platform-secret" not in str(log_of(quick, spec))


def test_secret_values_are_masked(quick: Case) -> None:
    cluster = reserved(quick)
    plain = quick.command(cluster, "-c", "import os; print(os.environ['TOKEN'])")
    spec = CommandSpec(
        plain.uuid,
        cluster,
        plain.argv,
        None,
        60,
        {"TOKEN": "tok-12345"},
        secret_values=("tok-12345",),
    )

    run_to_end(quick, spec)

    texts = [line.text for line in log_of(quick, spec)]
    assert "********" in texts
    assert "tok-12345" not in str(texts)


def test_credentials_written_into_the_address_stay_out_of_files_and_log(
    quick: Case, tmp_path: Path
) -> None:
    cluster = reserved(quick)
    with GitServer(username="ada", password="tok-12345") as private:
        private.commit("demo", {"ex.py": "print('ran')"})
        url = private.url("demo").replace("http://", "http://ada:tok-12345@")
        spec = CommandSpec(uuid4(), cluster, ("ex.py",), GitSource(url), 60)
        done = run_to_end(quick, spec)

    assert done.exit_code == 0
    assert "tok-12345" not in str(log_of(quick, spec))
    files = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert not [path for path in files if b"tok-12345" in path.read_bytes()]


def test_time_limit(quick: Case) -> None:
    done = run_to_end(quick, code(quick, "import time; time.sleep(600)", seconds=1))

    assert (done.reason, done.message) == ("Timeout", "Ended after the time limit of 1 seconds")


def test_started_command_is_never_started_again(quick: Case) -> None:
    spec = code(quick, "print('once')")

    for _ in range(3):
        run_to_end(quick, spec)

    assert [line.text for line in log_of(quick, spec)].count("once") == 1


def test_cancel_of_one_that_was_prepared_but_never_started(quick: Case, tmp_path: Path) -> None:
    """The worker died between writing the run down and starting it."""
    spec = code(quick, "print('never')")
    assert isinstance(quick.cloud, LocalCloud)
    commands = quick.cloud._commands
    reservation = quick.cloud._clusters.reservations.find(spec.cluster.uuid)
    runtime = quick.cloud._runtimes.find(fake_runtime.VERSION)
    assert reservation is not None
    assert runtime is not None
    (tmp_path / "state" / "runs" / str(spec.uuid) / "work").mkdir(parents=True)
    folder = tmp_path / "state" / "runs" / str(spec.uuid)
    runs.prepare(folder, commands._spec(spec, reservation, runtime, []))
    assert quick.cloud.observe_command(spec).state is CommandState.STARTING

    drive(lambda: quick.cloud.cancel_command(spec, reason="Cancelled"), 10, until="exited")

    assert "never" not in [line.text for line in log_of(quick, spec)]


def test_killed_shim_leaves_a_lost_command_and_a_complete_log(quick: Case) -> None:
    spec = code(quick, "print('on', flush=True); import time; time.sleep(600)")
    start(quick, spec)

    os.kill(state_of(quick, spec.uuid).pid, signal.SIGKILL)
    drive(lambda: quick.cloud.observe_command(spec), 10, until=CommandState.EXITED)

    assert quick.cloud.observe_command(spec).reason == "Lost"
    assert processes.marked("BODO_RUN", str(spec.uuid)) == []
    assert log_of(quick, spec)[-1].text == "The process that watched this run was killed"


def test_removal_of_the_cluster_ends_its_command(quick: Case) -> None:
    spec = code(quick, "import time; time.sleep(600)")
    start(quick, spec)

    drive(lambda: quick.cloud.remove_cluster(spec.cluster, quick.ledger), 15)

    done = quick.cloud.observe_command(spec)
    assert (done.state, done.reason) == (CommandState.EXITED, "NodeLost")
    assert log_of(quick, spec)


def test_cluster_removed_while_a_command_was_about_to_start(quick: Case) -> None:
    spec = code(quick, "print('never')")
    drive(lambda: quick.cloud.remove_cluster(spec.cluster, quick.ledger), 15)

    with pytest.raises(Exception, match="not there"):
        quick.cloud.ensure_command(spec, quick.ledger)

    assert quick.cloud.observe_command(spec).state is CommandState.ABSENT


def test_a_superseded_step_starts_nothing(quick: Case) -> None:
    spec = code(quick, "print('never')")
    quick.ledger.is_superseded = True

    with pytest.raises(RuntimeError):
        quick.cloud.ensure_command(spec, quick.ledger)

    assert quick.cloud.observe_command(spec).state is CommandState.ABSENT
    quick.ledger.is_superseded = False


def _shared(case: Case) -> Path:
    assert isinstance(case.cloud, LocalCloud)
    return case.cloud._layout.shared(case.workspace.uuid)


def _from_files(case: Case, path: str, *argv: str) -> CommandSpec:
    return CommandSpec(uuid4(), reserved(case), argv, WorkspaceSource(path), 60)


def test_workspace_files_are_run_where_they_lie_and_results_stay(quick: Case) -> None:
    folder = _shared(quick) / "examples"
    folder.mkdir()
    (folder / "ex.py").write_text("open('result', 'w').write('7'); print('ran')")
    spec = _from_files(quick, "examples", "ex.py")

    done = run_to_end(quick, spec)

    assert (done.exit_code, done.source_commit) == (0, "")
    assert (folder / "result").read_text() == "7"
    texts = [line.text for line in log_of(quick, spec)]
    assert texts[0] == "Using the workspace's files in /shared/examples"
    assert "ran" in texts


@pytest.mark.parametrize(
    ("path", "script", "reason"),
    [
        ("missing", "ex.py", "SourceNotFound"),
        ("..", "ex.py", "SourceNotFound"),
        ("a/../../..", "ex.py", "SourceNotFound"),
        ("/etc", "passwd", "SourceNotFound"),
        ("out", "hosts", "SourceNotFound"),
        ("", "out/hosts", "NoSuchScript"),
        ("", "../../ex.py", "NoSuchScript"),
        ("", "typo.py", "NoSuchScript"),
    ],
)
def test_nothing_leads_out_of_the_workspaces_files(
    quick: Case, path: str, script: str, reason: str
) -> None:
    (_shared(quick) / "a").mkdir()
    (_shared(quick) / "out").symlink_to("/etc")

    done = run_to_end(quick, _from_files(quick, path, script))

    assert done.reason == reason
    assert "workspace's files" in done.message or "in the source" in done.message


def test_credentials_are_gone_before_the_users_code_starts(quick: Case) -> None:
    """Neither its environment nor that of any process of the run has them."""
    look = (
        "import os, pathlib\n"
        "mine = ('BODO_RUN=' + os.environ['BODO_RUN']).encode()\n"
        "for path in pathlib.Path('/proc').glob('[0-9]*/environ'):\n"
        "    try: data = path.read_bytes()\n"
        "    except OSError: continue\n"
        "    if mine in data and b'SOURCE_PASSWORD' in data: print('leaked', path)\n"
        "print('looked')"
    )
    with GitServer(username="ada", password="tok-12345") as private:
        private.commit("demo", {"ex.py": look})
        source = GitSource(private.url("demo"), "main", "ada", "tok-12345")
        spec = CommandSpec(uuid4(), reserved(quick), ("ex.py",), source, 60)
        done = run_to_end(quick, spec)

    texts = [line.text for line in log_of(quick, spec)]
    assert done.exit_code == 0
    assert "looked" in texts
    assert not [text for text in texts if "leaked" in text]
