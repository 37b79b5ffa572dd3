"""Processes as /proc shows them: who is alive, who descends from whom, who carries our marker.

Standard library only, because the shim imports it. A pid alone proves nothing (pids are reused),
so every process is named by pid and start time, and signals go through a pidfd that was checked
against both after it was opened.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """``start_ticks`` is field 22 of /proc/<pid>/stat: clock ticks since boot."""

    pid: int
    parent: int
    state: str
    start_ticks: int
    name: str

    @property
    def is_dead(self) -> bool:
        return self.state in "ZX"


def boot_id() -> str:
    return (PROC / "sys/kernel/random/boot_id").read_text().strip()


def look_up(pid: int) -> Process | None:
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    name, _, rest = text.partition("(")[2].rpartition(")")
    fields = rest.split()
    return Process(pid, int(fields[1]), fields[0], int(fields[19]), name)


def every() -> list[Process]:
    """All processes of this machine, zombies too."""
    found = (look_up(int(entry)) for entry in os.listdir(PROC) if entry.isdigit())  # noqa: PTH208 - names only, each second
    return [process for process in found if process is not None]


def is_alive(pid: int, start_ticks: int) -> bool:
    process = look_up(pid)
    return process is not None and process.start_ticks == start_ticks and not process.is_dead


def descendants(root: int) -> list[Process]:
    """Living descendants of ``root``, parents before children."""
    children: dict[int, list[Process]] = {}
    for process in every():
        children.setdefault(process.parent, []).append(process)
    found: list[Process] = []
    queue = [root]
    while queue:
        for child in children.get(queue.pop(0), []):
            queue.append(child.pid)
            if not child.is_dead:
                found.append(child)
    return found


def marked(name: str, value: str) -> list[Process]:
    """Living processes that were started with ``name=value`` in their environment."""
    wanted = f"{name}={value}".encode()
    return [p for p in every() if not p.is_dead and wanted in environment(p.pid)]


def environment(pid: int) -> list[bytes]:
    """Empty for a process that is gone or not ours to read."""
    try:
        return (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return []


def command_line(pid: int) -> str:
    """Its words, blanks in between; empty for one that is gone."""
    try:
        return (
            (PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
        )
    except OSError:
        return ""


def processor_ticks(pid: int) -> int:
    """Clock ticks that it and its children who ended have computed; 0 for one that is gone."""
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return 0
    return sum(int(field) for field in text.rpartition(")")[2].split()[11:15])


def send(process: Process, signum: int) -> bool:
    """Signal exactly this process; False when it is gone already or may not be signalled."""
    try:
        pidfd = os.pidfd_open(process.pid)
    except OSError:
        return False
    try:
        if not is_alive(process.pid, process.start_ticks):
            return False
        signal.pidfd_send_signal(pidfd, signum)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(pidfd)


def sweep(name: str, value: str, *, seconds: float) -> list[Process]:
    """Kill whatever carries the marker, again and again; answers what is left after that time."""
    deadline = time.monotonic() + seconds
    while left := marked(name, value):
        for process in left:
            send(process, signal.SIGKILL)
        if time.monotonic() > deadline:
            return left
        time.sleep(0.02)
    return []
