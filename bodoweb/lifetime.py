"""No process of the platform outlives the one that started it.

The kernel sees to it (PR_SET_PDEATHSIG), so that after a SIGKILL of the process manager the ports
are free and no forgotten worker takes work. What users run (engines, jobs) is not ours: it is
started detached and stays.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
MANAGER_PID = "BODO_MANAGER_PID"


def end_with_parent(parent_pid: int | None = None) -> None:
    """Be killed as soon as the parent is gone; end at once if it is gone already.

    The wish is not inherited by children, and survives exec.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if parent_pid is not None and os.getppid() != parent_pid:
        os._exit(1)


def end_with_manager() -> None:
    """The same for a program of the process manager; by hand, without one, it stays."""
    if manager := os.environ.get(MANAGER_PID):
        end_with_parent(int(manager))
