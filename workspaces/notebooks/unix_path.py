"""Unix sockets in folders that are deeper than the kernel's 108 bytes for a socket's path."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

LONGEST = 107


class UnixPath:
    """``path`` can be connected to until ``close``; it may be a short name for a deep folder.

    Raises OSError when the folder is not there.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._folder: int | None = None
        if len(os.fsencode(path)) > LONGEST:
            self._folder = os.open(Path(path).parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            self.path = f"/proc/self/fd/{self._folder}/{Path(path).name}"

    def close(self) -> None:
        if self._folder is not None:
            os.close(self._folder)
            self._folder = None

    def __enter__(self) -> UnixPath:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
