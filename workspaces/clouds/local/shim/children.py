"""Starting, reaping and ending the processes below a shim."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable
from functools import partial

from workspaces.clouds.local import processes, shared_memory
from workspaces.clouds.local.shim.state import Stage

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)
GRACE_SECONDS = 1.0


class Children:
    """All processes below us; ``exit_codes`` of the stages' own ones, once they have ended."""

    def __init__(self) -> None:
        self.stages: dict[int, Stage] = {}
        self.exit_codes: dict[str, int] = {}

    def start(self, stage: Stage, env: dict[str, str], stdout: int) -> None:
        """PATH of ``env`` finds the program. Raises OSError when there is none."""
        process = subprocess.Popen(
            stage.argv,
            cwd=stage.cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=partial(die_with_parent, os.getpid()),
        )
        self.stages[process.pid] = stage
        process.returncode = 0  # reap() collects the real one; keep Popen from waiting too

    def is_running(self, stage: Stage) -> bool:
        return stage.name not in self.exit_codes

    def ended_service(self) -> Stage | None:
        ended = (s for s in self.stages.values() if s.is_background and not self.is_running(s))
        return next(ended, None)

    def reap(self) -> None:
        """Collect every ended child, adopted orphans too."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in self.stages and self.is_running(self.stages[pid]):
                code = os.waitstatus_to_exitcode(status)
                self.exit_codes[self.stages[pid].name] = code if code >= 0 else 128 - code

    def leftovers_of_ranks(self) -> list[processes.Process]:
        """What finished MPI ranks left running, once no proxy has a living rank.

        A rank's child that holds its output keeps mpiexec waiting for ever (and the proxies at
        full speed). Such leftovers were adopted by us.
        """
        below = processes.descendants(os.getpid())
        proxies = {p.pid for p in below if p.name == "hydra_pmi_proxy"}
        if not proxies or any(p.parent in proxies for p in below):
            return []
        adopted = [p for p in below if p.parent == os.getpid() and p.pid not in self.stages]
        return [p for root in adopted for p in [root, *processes.descendants(root.pid)]]

    def end_all(self, keep_pumping: Callable[[float], None]) -> None:
        """SIGTERM to the stages, a grace, then kill all descendants until none is left."""
        me = os.getpid()
        memory = shared_memory.held_by(processes.descendants(me))
        deadline = time.monotonic()
        for process in processes.descendants(me):
            if process.pid in self.stages and processes.send(process, signal.SIGTERM):
                deadline = time.monotonic() + GRACE_SECONDS
        while processes.descendants(me) and time.monotonic() < deadline:
            keep_pumping(0.05)
        memory |= shared_memory.held_by(processes.descendants(me))
        while left := processes.descendants(me):
            for process in left:
                processes.send(process, signal.SIGKILL)
            keep_pumping(0.02)
        for path in memory:
            path.unlink(missing_ok=True)


def die_with_parent(parent: int) -> None:
    """Between fork and exec; a parent that was gone before we asked sends no signal any more."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
