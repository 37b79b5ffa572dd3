from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.clouds.shims import command, python, shim_run
from tests.waiting import wait_until
from workspaces.clouds.local import processes, runs
from workspaces.clouds.local.shim.runner import OUTPUT_BYTES

ROOT = Path(__file__).resolve().parents[2]
# The shim on a clock that is set back by an hour soon after the start.
SET_BACK = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from workspaces.clouds.local.shim.start import main
clock, began = time.time, time.monotonic()
time.time = lambda: clock() - 3600 * (time.monotonic() > began + 0.3)
main(Path(sys.argv[2]))
"""
STUBBORN_FAMILY = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
subprocess.Popen([sys.executable, "-c", child], start_new_session=True)
print("ready", flush=True)
time.sleep(600)
"""


def test_exit_code_and_output_are_written_down(tmp_path: Path) -> None:
    run = shim_run(tmp_path, python("print('hello'); raise SystemExit(3)"))

    run.start()

    assert (run.end().exit_code, run.state().reason) == (3, "NonZeroExitCode")
    assert run.texts()[0] == "hello"


def test_success_has_no_reason(tmp_path: Path) -> None:
    run = shim_run(tmp_path, command(["true"]))

    run.start()

    assert (run.end().exit_code, run.state().reason) == (0, "")
    assert run.texts() == ["Ended with exit code 0"]


def test_a_failed_stage_is_the_last_one(tmp_path: Path) -> None:
    fetch = python("raise SystemExit(21)", name="fetch", reasons={"21": "SourceAuth"})
    run = shim_run(tmp_path, fetch, python("print('never')"))

    run.start()

    assert run.end().reason == "SourceAuth"
    assert "never" not in run.texts()


def test_missing_program_is_an_end_and_no_crash(tmp_path: Path) -> None:
    run = shim_run(tmp_path, command(["no-such-program"]))

    run.start()

    assert run.end().reason == "NonZeroExitCode"
    assert "no-such-program could not be started" in run.state().message


def test_death_by_signal_has_the_code_a_shell_gives(tmp_path: Path) -> None:
    run = shim_run(tmp_path, python("import os; os.kill(os.getpid(), 9)"))

    run.start()

    assert run.end().exit_code == 137


def test_double_start_runs_once(tmp_path: Path) -> None:
    run = shim_run(tmp_path, python("print('once'); import time; time.sleep(0.3)"))

    for _ in range(4):
        run.start()
    run.end()
    run.start()

    assert run.texts().count("once") == 1


def test_stop_before_start_starts_nothing(tmp_path: Path) -> None:
    run = shim_run(tmp_path, python("print('never')"))
    runs.prepare(run.folder, run.spec)
    runs.tell_to_end(run.folder, run.state_path, reason="Cancelled")

    run.start()

    assert run.end().reason == "Cancelled"
    assert "never" not in run.texts()


def test_cancel_ends_a_family_that_ignores_sigterm(tmp_path: Path) -> None:
    run = shim_run(tmp_path, python(STUBBORN_FAMILY))
    run.start()
    wait_until(lambda: "ready" in run.texts())
    assert len(run.processes()) == 3  # the shim, the program, its child

    runs.tell_to_end(run.folder, run.state_path, reason="Cancelled")

    assert run.end().reason == "Cancelled"
    assert run.processes() == []


def test_time_limit_ends_the_run(tmp_path: Path) -> None:
    run = shim_run(tmp_path, command(["sleep", "600"]), seconds=0.2)

    run.start()

    assert run.end().reason == "Timeout"
    assert run.processes() == []


def test_killed_shim_is_found_lost_and_its_stragglers_end(tmp_path: Path) -> None:
    run = shim_run(tmp_path, python(STUBBORN_FAMILY))
    run.start()
    wait_until(lambda: "ready" in run.texts())

    os.kill(run.state().pid, signal.SIGKILL)
    wait_until(lambda: runs.look(run.folder, run.state_path).is_lost)
    runs.bury(run.folder, run.state_path)

    assert run.state().reason == "Lost"
    assert run.processes() == []
    assert run.texts()[-1] == "The process that watched this run was killed"


def test_child_whose_shim_died_before_it_could_ask_to_die_with_it() -> None:
    """Between fork and exec the signal of the parent's death may have been missed."""
    code = "from workspaces.clouds.local.shim.children import die_with_parent; die_with_parent(0)"

    orphan = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)

    assert orphan.returncode == -signal.SIGKILL


def test_restart_of_the_machine_is_told_from_a_killed_shim(tmp_path: Path) -> None:
    run = shim_run(tmp_path, command(["sleep", "600"]))
    run.start()
    state = run.state()
    os.kill(state.pid, signal.SIGKILL)
    wait_until(lambda: runs.look(run.folder, run.state_path).is_lost)
    state.boot_id = "another"
    state.write(run.state_path)

    runs.bury(run.folder, run.state_path)

    assert run.state().reason == "NodeLost"
    wait_until(lambda: not run.processes())  # by the death signal of their parent


def test_time_of_the_end_does_not_follow_a_clock_that_is_set_back(tmp_path: Path) -> None:
    run = shim_run(tmp_path, command(["sleep", "0.6"]))
    runs.prepare(run.folder, run.spec)

    start = [sys.executable, "-I", "-S", "-c", SET_BACK, str(ROOT), str(run.folder)]
    subprocess.run(start, input=b"{}", check=True)

    end = run.end()
    assert end.finished_at is not None
    assert 0.5 < end.finished_at - end.started_at < 30


def test_end_of_a_service_ends_the_whole_set(tmp_path: Path) -> None:
    service = python(
        "import time; time.sleep(0.2); raise SystemExit(5)",
        name="controller",
        is_background=True,
        output=str(tmp_path / "controller.log"),
    )
    other = command(
        ["sleep", "600"], name="engines", is_background=True, output=str(tmp_path / "engines.log")
    )
    run = shim_run(tmp_path, service, other)

    run.start()

    assert run.end().reason == "ServiceEnded"
    assert run.state().message == "controller ended with exit code 5"
    assert run.processes() == []


def test_a_service_that_prints_for_ever_fills_no_disk(tmp_path: Path) -> None:
    output, go_on = tmp_path / "engines.log", tmp_path / "go on"
    code = (
        "import pathlib, sys, time\n"
        "for _ in range(40):\n"
        "    sys.stdout.write('x' * 2**20)\n"
        "    sys.stdout.flush()\n"
        f"while not pathlib.Path({str(go_on)!r}).exists():\n"
        "    time.sleep(0.02)\n"
        "print('the end')\n"
    )
    run = shim_run(tmp_path, python(code, is_background=True, output=str(output)))

    run.start()
    wait_until(lambda: output.exists() and output.stat().st_size > OUTPUT_BYTES)
    wait_until(lambda: output.stat().st_size <= OUTPUT_BYTES)
    go_on.touch()
    run.end()

    assert output.read_text().endswith("the end\n")


def test_secrets_reach_the_stage_and_no_file_and_no_log(tmp_path: Path) -> None:
    show = python("import os; print('token is', os.environ['TOKEN'])")
    run = shim_run(tmp_path, show)

    run.start(**{"main": {"TOKEN": "s3cr3t-value"}, "": {"TOKEN": "s3cr3t-value"}})
    run.end()

    assert run.texts()[0] == "token is ********"
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in files if b"s3cr3t-value" in path.read_bytes()]


def test_a_reused_pid_is_never_signalled() -> None:
    me = processes.look_up(os.getpid())
    assert me is not None
    impostor = processes.Process(me.pid, me.parent, me.state, me.start_ticks - 1, me.name)

    assert processes.send(impostor, signal.SIGKILL) is False
