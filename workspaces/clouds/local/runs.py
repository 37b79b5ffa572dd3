"""Runs as the driver sees them: start a shim once, look at it, tell it to end, bury the dead."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from workspaces.clouds.base import CloudError
from workspaces.clouds.local import processes
from workspaces.clouds.local.layout import delete_tree
from workspaces.clouds.local.shim.logfile import LogWriter
from workspaces.clouds.local.shim.space import SENTENCE, is_full, unless_full
from workspaces.clouds.local.shim.state import RunState, Spec, lock_file, write_json

SHIM = Path(__file__).parent / "shim" / "__main__.py"
START_SECONDS = 10
SWEEP_SECONDS = 3.0
# A run that can not even write down that it began is not started.
ROOM_BYTES = 128 * 1024


@dataclass(frozen=True)
class Look:
    """One consistent look: the lock first, the state after it.

    So an unfinished state beside a free lock can only mean that the shim died ("lost").
    ``last_seen_at`` is its last heartbeat.
    """

    is_alive: bool
    state: RunState | None
    last_seen_at: float | None

    @property
    def is_exited(self) -> bool:
        return self.state is not None and self.state.is_exited

    @property
    def is_lost(self) -> bool:
        return self.state is not None and not self.state.is_exited and not self.is_alive

    @property
    def is_after_restart(self) -> bool:
        return self.state is not None and self.state.boot_id != processes.boot_id()


def look(run_dir: Path, state_path: Path) -> Look:
    lock = run_dir / "lock"
    is_alive, last_seen_at = False, None
    with contextlib.suppress(FileNotFoundError):
        last_seen_at = lock.stat().st_mtime
        with lock_file(lock, seconds=0) as is_free:
            is_alive = not is_free
    state = RunState.read(state_path)
    if last_seen_at is None and state is not None:
        last_seen_at = state.finished_at or state.started_at
    return Look(is_alive, state, last_seen_at)


def prepare(run_dir: Path, spec: Spec) -> None:
    """Write down what is to run. The caller has made sure that nobody removes it meanwhile.

    Raises CloudError("NoSpace") while there is no room for a run's files.
    """
    if shutil.disk_usage(run_dir.parent).free < ROOM_BYTES:
        raise no_space()
    run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (run_dir / "spec.json").exists():
        write_json(run_dir / "spec.json", asdict(spec))


def no_space() -> CloudError:
    return CloudError("NoSpace", f"{SENTENCE} Delete files there, then try again.", retryable=True)


@contextlib.contextmanager
def told_of_full_disk() -> Iterator[None]:
    """For whatever writes: a full disk as CloudError("NoSpace")."""
    try:
        yield
    except OSError as error:
        if not is_full(error):
            raise
        raise no_space() from error


def start(run_dir: Path, secrets: Mapping[str, Mapping[str, str]]) -> None:
    """Start the shim; harmless when one runs or ran already. ``secrets``: see shim.start.main."""
    markers = json.loads((run_dir / "spec.json").read_text())["markers"]
    with (run_dir / "shim.log").open("ab") as errors:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(SHIM), str(run_dir)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            cwd="/",
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", **markers},
            start_new_session=True,
        )
    try:
        process.communicate(json.dumps(secrets).encode(), timeout=START_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise CloudError(
            "Busy", "This machine was too busy to start a process.", retryable=True
        ) from None


def tell_to_end(run_dir: Path, state_path: Path, *, reason: str) -> None:
    """The file comes first: a shim that has not started its next stage yet sees it too. On a full
    disk the signal must do.
    """
    if not run_dir.is_dir():
        return
    if not (run_dir / "stop").exists():
        with unless_full():
            write_json(run_dir / "stop", {"reason": reason})
    state = RunState.read(state_path)
    if state is None or state.is_exited or state.boot_id != processes.boot_id():
        return
    shim = processes.look_up(state.pid)
    if shim is not None and shim.start_ticks == state.start_ticks:
        processes.send(shim, signal.SIGTERM)


def bury(run_dir: Path, state_path: Path) -> Look:
    """Of a lost run: end its stragglers and write down how it ended; others stay untouched. It
    stays lost while the disk is full.
    """
    if not look(run_dir, state_path).is_lost:
        return look(run_dir, state_path)
    with unless_full(), _locked(run_dir) as is_ours:
        state = RunState.read(state_path)
        if is_ours and state is not None and not state.is_exited:
            _write_end(run_dir, state_path, state)
    return look(run_dir, state_path)


@contextlib.contextmanager
def _locked(run_dir: Path) -> Iterator[bool]:
    """The folder may have been deleted by hand."""
    run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with lock_file(run_dir / "lock", seconds=0) as is_ours:
        yield is_ours


def _write_end(run_dir: Path, state_path: Path, state: RunState) -> None:
    last_seen_at = look(run_dir, state_path).last_seen_at
    if state.boot_id != processes.boot_id():
        state.reason, state.message = "NodeLost", "The machine was restarted"
    else:
        processes.sweep("BODO_RUN", state.run, seconds=SWEEP_SECONDS)
        state.reason, state.message = "Lost", "The process that watched this run was killed"
    if (run_dir / "spec.json").exists():
        spec = Spec.read(run_dir / "spec.json")
        end_log(Path(spec.log), state.message)
        for path in spec.remove:
            delete_tree(Path(path))
    state.is_exited = True
    state.finished_at = last_seen_at or time.time()
    state.write(state_path)


def end_log(path: Path, message: str) -> None:
    """A torn last line is closed first, so that the message stands on its own."""
    log = LogWriter(path)
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(size - 1, 0))
        is_torn = file.read(1) not in (b"", b"\n")
    if is_torn:
        with path.open("ab") as file:
            file.write(b"\n")
    log.platform(message)
    log.close()
