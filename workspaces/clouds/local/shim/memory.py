"""How often the kernel killed a process for want of memory, as far as we can know it.

Standard library only. The count is of our own control group where that has one (version 2, else
version 1), else of the whole machine, and then another program's death may be counted too.
"""

from __future__ import annotations

import re
from pathlib import Path

_KILLS = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)


def kills(proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> int | None:
    """None where the kernel does not tell."""
    for path in [*_files_of_our_group(proc, groups), proc / "vmstat"]:
        try:
            found = _KILLS.search(path.read_text())
        except OSError:
            continue
        if found:
            return int(found.group(1))
    return None


def _files_of_our_group(proc: Path, groups: Path) -> list[Path]:
    try:
        lines = (proc / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers and path != "/":  # the root group has no count of its own
            found.append(groups / path.lstrip("/") / "memory.events")
        elif "memory" in controllers.split(","):
            found.append(groups / "memory" / path.lstrip("/") / "memory.oom_control")
    return found
