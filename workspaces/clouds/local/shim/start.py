"""How a shim comes to life: detached, alone on its run, parent of every orphan below it."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
from pathlib import Path

from workspaces.clouds.local.shim.runner import Runner
from workspaces.clouds.local.shim.state import RunState, Spec, lock_file

PR_SET_CHILD_SUBREAPER = 36
LOCK_SECONDS = 2


def main(run_dir: Path) -> None:
    """Secrets come as JSON on stdin, stage name to environment, and stay in memory."""
    secrets: dict[str, dict[str, str]] = json.load(sys.stdin)
    if os.fork():  # the starter waits for this first process only: no zombie stays behind
        os._exit(0)
    _detach(run_dir)
    if not (run_dir / "spec.json").is_file():
        return  # removed before we came to life
    spec = Spec.read(run_dir / "spec.json")
    deadline = time.monotonic() + LOCK_SECONDS
    while not _was_started(spec) and time.monotonic() < deadline:
        # An observer holds the lock for an instant; a shim that won writes its state soon.
        with lock_file(run_dir / "lock", seconds=0.05) as is_ours:
            if is_ours and not _was_started(spec):
                Runner(run_dir, spec, secrets).run()
                return


def _was_started(spec: Spec) -> bool:
    """A run happens once: a state of any kind was written by a shim before us."""
    return RunState.read(Path(spec.state)) is not None


def _detach(run_dir: Path) -> None:
    """In its run folder, so that /proc/<pid>/cwd is a short path to the sockets there."""
    devnull = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1):
        os.dup2(devnull, fd)
    os.chdir(run_dir)
    os.umask(0o077)
    # Workers of a queue ignore SIGINT, and the children would inherit that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
