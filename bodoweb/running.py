"""Which stack runs from this data folder: a lock held for life, with the manager's pid in it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from django.conf import settings

LOCK_FD = 3  # where the lock lives on across exec; supervisord keeps it from its own children


class AlreadyRunning(Exception):  # noqa: N818 - an expected refusal
    """Another stack uses the same data folder; ``pid`` is its process manager."""

    def __init__(self, pid: int) -> None:
        super().__init__(f"bodoweb already runs from {settings.DATA_DIR} (process {pid}).")
        self.pid = pid


def _lock_path() -> Path:
    path: Path = settings.DATA_DIR / "bodoweb.lock"
    return path


def claim() -> int:
    """Take the lock for this process and answer its file descriptor. Raises AlreadyRunning."""
    lock = os.open(_lock_path(), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = int(os.read(lock, 20) or b"0")
        os.close(lock)
        raise AlreadyRunning(pid) from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)
    return lock


def hand_over(lock: int) -> None:
    """Keep the lock across the exec that follows."""
    os.dup2(lock, LOCK_FD, inheritable=True)


def find() -> int | None:
    """The pid of the process manager that runs now, or None."""
    try:
        os.close(claim())
    except AlreadyRunning as running:
        return running.pid
    return None
