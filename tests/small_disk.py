"""A real file system so small that a test can fill it: a tmpfs, mounted for as long as it takes."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

CHUNK = 4096


class SmallDisk:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._ballast = path / "ballast"

    @property
    def free(self) -> int:
        """Bytes."""
        return shutil.disk_usage(self.path).free

    def fill(self, *, leave: int = 0) -> None:
        """All but ``leave`` bytes; what was deleted since an earlier call is taken too."""
        with self._ballast.open("ab", buffering=0) as file:
            while self.free > leave:
                with suppress(OSError):
                    file.write(bytes(CHUNK))

    def make_room(self) -> None:
        self._ballast.unlink(missing_ok=True)


@contextmanager
def small_disk(path: Path, *, mib: float) -> Iterator[SmallDisk]:
    """Mounted at ``path``; takes root, or sudo that asks for no password."""
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    path.mkdir()
    options = f"size={int(mib * 1024)}k,uid={os.getuid()},mode=0700"
    subprocess.run([*sudo, "mount", "-t", "tmpfs", "-o", options, "tmpfs", path], check=True)
    try:
        yield SmallDisk(path)
    finally:
        # Lazily: a process that was killed a moment ago may hold a file open still.
        subprocess.run([*sudo, "umount", "--lazy", path], check=True)
