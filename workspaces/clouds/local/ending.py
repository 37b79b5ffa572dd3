"""The operator's way out: end everything that the Local cloud runs on this machine."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

from workspaces.clouds.local import processes, runs
from workspaces.clouds.local.layout import Layout
from workspaces.clouds.local.shim.state import Spec

GRACE_SECONDS = 8.0
SWEEP_SECONDS = 5.0


# By the beginning of a run's name; all others are jobs.
NOUNS = {"engines-": "cluster", "notebook-": "notebook", "runtime-": "installation"}


def end_all(layout: Layout) -> Counter[str]:
    """Answers what ran: how many of each noun of NOUNS, and jobs. Their files stay, and the next
    look at each tells what became of it.
    """
    states = _state_paths(layout)
    running = {folder: path for folder, path in states.items() if runs.look(folder, path).is_alive}
    for folder, path in running.items():
        runs.tell_to_end(folder, path, reason="NodeLost")
    deadline = time.monotonic() + GRACE_SECONDS
    while _is_any_alive(running) and time.monotonic() < deadline:
        time.sleep(0.05)
    processes.sweep("BODO_STATE", str(layout.root), seconds=SWEEP_SECONDS)
    for folder, path in states.items():
        runs.bury(folder, path)
    return Counter(_noun(folder.name) for folder in running)


def _noun(run: str) -> str:
    return next((noun for begin, noun in NOUNS.items() if run.startswith(begin)), "job")


def _is_any_alive(found: dict[Path, Path]) -> bool:
    return any(runs.look(folder, path).is_alive for folder, path in found.items())


def _state_paths(layout: Layout) -> dict[Path, Path]:
    """The state file of each run by its folder."""
    found = {}
    for path in layout.runs.glob("*/spec.json"):
        try:
            found[path.parent] = Path(Spec.read(path).state)
        except FileNotFoundError:
            continue  # removed meanwhile
    return found
