"""What clusters do now: their engines' queues, and what /proc shows on their nodes.

Nothing runs between two looks. A signal that could not be read is None, never "idle".
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from uuid import UUID

from workspaces.clouds.base import Signal
from workspaces.clouds.local import processes
from workspaces.clouds.local.hub import NoAnswerError, queues
from workspaces.clouds.local.layout import Layout
from workspaces.clouds.local.machine import counted
from workspaces.clouds.local.shim.state import write_json

# Of one core. Each process of an idle engine set takes 0.07 % of it, the controller not counted.
BUSY_SHARE = 0.05
IDLE_SHARE = 0.002
SHORTEST_SECONDS = 1.0  # clock ticks are 10 ms
LONGEST_SECONDS = 900.0
# The platform's own, which never sleep quite.
_OURS = ("ipyparallel.controller", "/local/shim/__main__.py")
_MARKERS = (b"BODO_CLUSTER", b"BODO_RUN", b"BODO_SESSION")
_LAUNCHERS = ("mpiexec", "hydra_pmi_proxy")


@dataclass(frozen=True)
class Resident:
    """A process on a node: the run it belongs to, and whether somebody's ssh session does."""

    process: processes.Process
    run: str
    is_session: bool

    @property
    def is_of_engines(self) -> bool:
        return self.run.startswith("engines-")


class Activity:
    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def observe(self, uuids: Sequence[UUID]) -> dict[UUID, list[Signal]]:
        residents = _residents(set(uuids))
        return {
            uuid: [
                _engines(self._layout.client_file(uuid)),
                _mpiexec(residents[uuid]),
                _terminal(residents[uuid]),
                _processor(self._layout.cluster(uuid), residents[uuid]),
            ]
            for uuid in uuids
        }


def _residents(uuids: set[UUID]) -> dict[UUID, list[Resident]]:
    """All clusters in one walk over /proc."""
    found: dict[UUID, list[Resident]] = {uuid: [] for uuid in uuids}
    for process in processes.every():
        pairs = (pair.partition(b"=") for pair in processes.environment(process.pid))
        variables = {name: value for name, _, value in pairs if name in _MARKERS}
        cluster = variables.get(b"BODO_CLUSTER", b"").decode(errors="replace")
        known = next((uuid for uuid in uuids if str(uuid) == cluster), None)
        if known is not None and not process.is_dead:
            run = variables.get(b"BODO_RUN", b"").decode(errors="replace")
            found[known].append(Resident(process, run, b"BODO_SESSION" in variables))
    return found


def _engines(client_file: Path) -> Signal:
    try:
        seen = queues(client_file)
    except NoAnswerError:
        return Signal("engines", None, "The engines' controller did not answer.")
    waiting = seen.unfinished + seen.unassigned
    if waiting:
        return Signal(
            "engines", True, f"{counted(waiting, 'task')} of the engines did not end yet."
        )
    return Signal("engines", False, f"Nothing is queued for {counted(seen.engines, 'engine')}.")


def _mpiexec(residents: list[Resident]) -> Signal:
    """Not the engines' own. A job counts too, beside its lease."""
    others = (resident for resident in residents if not resident.is_of_engines)
    if any(resident.process.name.startswith(_LAUNCHERS) for resident in others):
        return Signal("mpiexec", True, "mpiexec runs on the nodes.")
    return Signal("mpiexec", False, "No mpiexec runs.")


def _terminal(residents: list[Resident]) -> Signal:
    inside = {resident.process.pid for resident in residents if resident.is_session}
    first = [r for r in residents if r.is_session and r.process.parent not in inside]
    if first:
        return Signal("terminal", True, f"{counted(len(first), 'ssh session')} open on the nodes.")
    return Signal("terminal", False, "No ssh session is open.")


def _processor(folder: Path, residents: list[Resident]) -> Signal:
    """Compared with the look before, whose numbers lie beside the cluster."""
    path, now = folder / "processor.json", Sample.now(residents)
    before = Sample.read(path)
    seconds = now.at - before.at if before and before.boot_id == now.boot_id else -1.0
    if before and 0 <= seconds < SHORTEST_SECONDS:
        return before.signal
    if before and 0 <= seconds <= LONGEST_SECONDS:
        ticks = now.ticks_since(before)
        now = replace(now, share=ticks / os.sysconf("SC_CLK_TCK") / seconds)
    with contextlib.suppress(OSError):  # a full disk: then the next look compares with an older one
        write_json(path, asdict(now))
    return now.signal


@dataclass(frozen=True)
class Sample:
    """``at``: seconds since boot, which no clock change moves; ``ticks`` by pid and start;
    ``share``: of one core since the sample before, None for the first one.
    """

    boot_id: str
    at: float
    ticks: dict[str, int]
    share: float | None = None

    @property
    def signal(self) -> Signal:
        if self.share is None:
            return Signal("processor", None, "The use of the processor is measured from now on.")
        words = f"{self.share:.0%} of one core used by processes on the nodes."
        return Signal("processor", self.share > BUSY_SHARE + IDLE_SHARE * len(self.ticks), words)

    @classmethod
    def now(cls, residents: list[Resident]) -> Sample:
        ticks = {
            f"{resident.process.pid}-{resident.process.start_ticks}": processes.processor_ticks(
                resident.process.pid
            )
            for resident in residents
            if not any(word in processes.command_line(resident.process.pid) for word in _OURS)
        }
        return cls(processes.boot_id(), time.monotonic(), ticks)

    @classmethod
    def read(cls, path: Path) -> Sample | None:
        try:
            return cls(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def ticks_since(self, before: Sample) -> int:
        """Whole for processes that are new since."""
        grown = (ticks - before.ticks.get(who, 0) for who, ticks in self.ticks.items())
        return sum(max(0, ticks) for ticks in grown)
