"""Which stack runs from this data folder: a lock held for life, with the manager's pid in it.

The lock is the truth; the pid is believed only of a process that has the lock file open.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from django.conf import settings

LOCK_FD = 3  # where the lock lives on across exec; supervisord keeps it from its own children
CLAIM_SECONDS = 0.5  # find() holds the lock for a moment
FIND_SECONDS = 2.0


class AlreadyRunning(Exception):  # noqa: N818 - an expected refusal
    def __init__(self) -> None:
        super().__init__(f"bodoweb runs already from {settings.DATA_DIR}.")


def _path() -> Path:
    path: Path = settings.DATA_DIR / "bodoweb.lock"
    return path


def claim() -> int:
    """Take the lock for this process and answer its file descriptor. Raises AlreadyRunning."""
    lock = os.open(_path(), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + CLAIM_SECONDS
    while not _is_taken(lock, fcntl.LOCK_EX):
        if time.monotonic() > deadline:
            os.close(lock)
            raise AlreadyRunning
        time.sleep(0.02)
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)
    return lock


def hand_over(lock: int) -> None:
    """Keep the lock across the exec that follows."""
    os.dup2(lock, LOCK_FD)
    os.set_inheritable(LOCK_FD, True)  # dup2 leaves this as it was when both are the same


def find() -> int | None:
    """The pid of the process manager that runs now, or None.

    Raises AlreadyRunning when one runs that is not ours to see.
    """
    deadline = time.monotonic() + FIND_SECONDS
    while not _is_free():
        if pid := _holder():
            return pid
        if time.monotonic() > deadline:
            raise AlreadyRunning
        time.sleep(0.02)
    return None


def _is_taken(lock: int, how: int) -> bool:
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_free() -> bool:
    try:
        lock = os.open(_path(), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        return _is_taken(lock, fcntl.LOCK_SH)
    finally:
        os.close(lock)


def _holder() -> int | None:
    """The file may still name an earlier manager, whose pid is somebody else's by now."""
    text = _path().read_text(encoding="ascii")
    try:
        files = [link.readlink() for link in Path("/proc", text, "fd").iterdir()]
    except OSError:
        return None
    return int(text) if text and _path() in files else None
