"""A control group with a memory limit, for the kernel to kill in. Version 1 or 2; root only."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from tests.waiting import wait_until

TREE = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class MemoryGroup:
    folder: Path

    def enter(self) -> None:
        """This process, and what it starts from now on."""
        (self.folder / "cgroup.procs").write_text(str(os.getpid()))

    def kills(self) -> int:
        for name in ("memory.events", "memory.oom_control"):
            path = self.folder / name
            lines = path.read_text().splitlines() if path.exists() else []
            for line in lines:
                if line.startswith("oom_kill "):
                    return int(line.split()[1])
        raise AssertionError("the kernel does not count its kills here")


def why_not() -> str:
    """Empty where such a group can be made, else the reason."""
    try:
        folder = _new_folder()
    except OSError as problem:
        return f"no control group for memory can be made: {problem}"
    folder.rmdir()
    return ""


@contextmanager
def memory_group(limit: int) -> Iterator[MemoryGroup]:
    """``limit`` in bytes. Its processes must have ended when the block is left."""
    folder = _new_folder()
    try:
        for name in ("memory.max", "memory.limit_in_bytes"):
            if (folder / name).exists():
                (folder / name).write_text(str(limit))
        if (folder / "memory.swap.max").exists():
            (folder / "memory.swap.max").write_text("0")
        yield MemoryGroup(folder)
    finally:
        wait_until(lambda: not (folder / "cgroup.procs").read_text())
        folder.rmdir()


def _new_folder() -> Path:
    """Raises OSError. Beside our own group, which others look after."""
    parent = TREE / "memory"
    if not (parent / "memory.limit_in_bytes").exists():
        parent = TREE
        if "memory" not in (parent / "cgroup.subtree_control").read_text().split():
            raise OSError("the memory controller is not handed down")
    folder = parent / f"bodoweb-test-{uuid4()}"
    folder.mkdir()
    return folder
