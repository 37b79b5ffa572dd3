"""MPI's shared memory segments, which stay in /dev/shm when the ranks that made them are killed."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterable
from pathlib import Path

from workspaces.clouds.local import processes

FOLDER = Path("/dev/shm")  # noqa: S108 - where the C library keeps POSIX segments
SETTLE_SECONDS = 30.0  # a younger segment may be about to be mapped
_NAME = re.compile(rb"/(?:mpich_shm|ucx_shm_posix)_\w+")


def held_by(family: Iterable[processes.Process]) -> set[Path]:
    """Segments that these processes map."""
    names: set[bytes] = set()
    for process in family:
        with contextlib.suppress(OSError):
            names.update(_NAME.findall(Path(f"/proc/{process.pid}/maps").read_bytes()))
    return {FOLDER / name.decode()[1:] for name in names}


def remove_unheld() -> None:
    """Delete our user's old segments that no living process maps."""
    own = [path for path in FOLDER.glob("*_shm_*") if _NAME.fullmatch(f"/{path.name}".encode())]
    if not own:
        return
    held = held_by(processes.every())
    for path in own:
        with contextlib.suppress(OSError):
            about = path.stat()
            is_old = not 0 <= time.time() - about.st_mtime <= SETTLE_SECONDS
            if is_old and about.st_uid == os.getuid() and path not in held:
                path.unlink()
