"""Clusters on this machine: reserve, install, start, look, stop, remove."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

from workspaces.clouds.base import (
    CloudError,
    ClusterPhase,
    ClusterSpec,
    ClusterStatus,
    Level,
    Progress,
    ResourceLedger,
)
from workspaces.clouds.local import engines, processes, runs, shared_memory
from workspaces.clouds.local.environment import Runtime, create_overlay, write_activate
from workspaces.clouds.local.layout import Layout, delete_tree
from workspaces.clouds.local.machine import Machine
from workspaces.clouds.local.reservations import Reservation, Reservations, require
from workspaces.clouds.local.runtimes import Runtimes
from workspaces.clouds.local.shim.space import unless_full
from workspaces.clouds.local.shim.state import lock_file

END_SECONDS = 3.5
KILL_SECONDS = 1.0
LOCK_SECONDS = 10


class Clusters:
    def __init__(self, layout: Layout, machine: Machine, runtimes: Runtimes) -> None:
        self._layout = layout
        self._machine = machine
        self._runtimes = runtimes
        self.reservations = Reservations(layout, machine)

    def ensure(self, spec: ClusterSpec, ledger: ResourceLedger) -> ClusterStatus:
        unfinished = self._end_other_size(spec)
        if unfinished is not None:
            return ClusterStatus(ClusterPhase.NODES, 5, unfinished.message)
        reservation = self._reserve(spec, ledger)
        if engines.look(self._layout, reservation).state is None:
            waiting = self._start(spec, reservation, ledger)
            if waiting is not None:
                return waiting
        return engines.status(self._layout, spec, reservation)

    def _end_other_size(self, spec: ClusterSpec) -> Progress | None:
        """A cluster that changes its size starts afresh; None when there is nothing to end."""
        found = self.reservations.find(spec.uuid)
        if found is None or found.is_removing or found.is_for(spec):
            return None
        progress = self.stop(spec)
        return None if progress.is_done else progress

    def _reserve(self, spec: ClusterSpec, ledger: ResourceLedger) -> Reservation:
        found = self.reservations.find(spec.uuid)
        if found is not None and found.is_for(spec) and not found.is_stopped:
            if found.is_removing:
                raise CloudError("Removed", "This cluster is being removed.")
            return found
        ledger.announce("folder", folder_name(spec.uuid), level=Level.CLUSTER)
        reservation = self.reservations.reserve(spec)
        path = str(self._layout.cluster(spec.uuid))
        ledger.record("folder", folder_name(spec.uuid), provider_id=path)
        return reservation

    def _start(
        self, spec: ClusterSpec, reservation: Reservation, ledger: ResourceLedger
    ) -> ClusterStatus | None:
        """None when the engine set was started; else what it waits for."""
        runtime = self._runtimes.ensure(spec.bodo_version, asked_at=reservation.asked_at)
        if isinstance(runtime, Progress):
            percent = runtime.percent * 40 // 100
            return ClusterStatus(ClusterPhase.RUNTIME, percent, runtime.message)
        name = engines.run_name(reservation)
        ledger.announce("engines", name, level=Level.CLUSTER)
        self.reservations.while_in_use(
            reservation, lambda: self._prepare_and_start(spec, reservation, runtime)
        )
        provider_id = str(engines.run_dir(self._layout, reservation))
        ledger.record("engines", name, provider_id=provider_id)
        return None

    def _prepare_and_start(
        self, spec: ClusterSpec, reservation: Reservation, runtime: Runtime
    ) -> None:
        engines.write_hostfile(self._layout, spec)
        engines.write_nodes(self._layout, spec)
        create_overlay(self._layout, spec.uuid, runtime)
        write_activate(self._layout, spec, runtime)
        engines.prepare(self._layout, spec, reservation, runtime)
        engines.start(self._layout, spec, reservation)

    def observe(self, uuids: Sequence[UUID]) -> dict[UUID, ClusterStatus]:
        return {uuid: self._observe(uuid) for uuid in uuids}

    def _observe(self, uuid: UUID) -> ClusterStatus:
        found = self.reservations.find(uuid)
        if found is None or found.is_stopped or found.is_removing:
            return ClusterStatus(ClusterPhase.ABSENT)
        if engines.look(self._layout, found).state is None and not self._runtimes.find(
            found.bodo_version
        ):
            message = f"Bodo {found.bodo_version} is not installed yet"
            return ClusterStatus(ClusterPhase.RUNTIME, 1, message)
        return engines.status(self._layout, found.as_spec(self._machine), found)

    def stop(self, spec: ClusterSpec) -> Progress:
        """The files stay, the places are given back; the next ``ensure`` is a new generation."""
        self.reservations.change(spec.uuid, is_stopped=True)
        engines.mark_stopped(self._layout, spec.uuid)
        ended, left = self._end_processes(spec.uuid)
        if left:
            return Progress(
                False, 50, f"Ended {ended - left} of {plural(ended, 'process', 'processes')}"
            )
        return Progress(True, 100, f"Stopped {plural(ended, 'process', 'processes')}")

    def remove(self, spec: ClusterSpec, ledger: ResourceLedger) -> Progress:
        """Works from whatever is there: reservation, folder, hostfile, runs or bare processes."""
        with unless_full():  # removing is what makes room
            self.reservations.change(spec.uuid, is_removing=True)
        for kind, name in self._open(spec.uuid, ledger):
            ledger.removed(kind, name)
        ended, left = self._end_processes(spec.uuid)
        found = self.reservations.find(spec.uuid)
        before = found.ended_processes if found else 0
        if left:
            with unless_full():
                self.reservations.change(spec.uuid, ended_processes=before + ended - left)
            return Progress(
                False, 50, f"Ended {ended - left} of {plural(ended, 'process', 'processes')}"
            )
        folders = self._delete_folders(spec)
        if not self._is_gone(spec):
            return Progress(False, 90, "Some files could not be removed yet")
        for kind, name in self._open(spec.uuid, ledger):
            ledger.confirm_gone(kind, name)
        return Progress(True, 100, receipt(before + ended, folders))

    def _end_processes(self, cluster: UUID) -> tuple[int, int]:
        """(how many were alive, how many still are): asked first, killed after a grace."""
        alive = processes.marked("BODO_CLUSTER", str(cluster))
        folders = engines.of_cluster(self._layout, cluster)
        for folder in folders:
            is_set = folder.name.startswith("engines-")
            reason = "Cancelled" if is_set else "NodeLost"
            runs.tell_to_end(folder, self._state_path(folder), reason=reason)
        if not alive:
            return 0, 0
        deadline = time.monotonic() + END_SECONDS
        while self._has_shims(folders) and time.monotonic() < deadline:
            time.sleep(0.03)
        left = processes.sweep("BODO_CLUSTER", str(cluster), seconds=KILL_SECONDS)
        shared_memory.remove_unheld()
        return len(alive), len(left)

    def _has_shims(self, folders: list[Path]) -> bool:
        return any(runs.look(folder, self._state_path(folder)).is_alive for folder in folders)

    def _state_path(self, folder: Path) -> Path:
        return Path(json.loads((folder / "spec.json").read_text())["state"])

    def _delete_folders(self, spec: ClusterSpec) -> int:
        """Runs first and the reservation last, so a crash in between is found again."""
        for folder in engines.of_cluster(self._layout, spec.uuid):
            runs.bury(folder, self._state_path(folder))
            delete_tree(folder)
        self._layout.hostfile(spec.workspace.uuid, spec.uuid).unlink(missing_ok=True)
        folder = self._layout.cluster(spec.uuid)
        had_folder = folder.exists()
        with lock_file(self._layout.lock, seconds=LOCK_SECONDS) as is_ours:
            require(is_ours)
            delete_tree(folder)
        return int(had_folder)

    def _is_gone(self, spec: ClusterSpec) -> bool:
        """A fresh look, not what we believe to have done (F088)."""
        return not (
            processes.marked("BODO_CLUSTER", str(spec.uuid))
            or self._layout.cluster(spec.uuid).exists()
            or self._layout.hostfile(spec.workspace.uuid, spec.uuid).exists()
            or engines.of_cluster(self._layout, spec.uuid)
        )

    @staticmethod
    def _open(cluster: UUID, ledger: ResourceLedger) -> list[tuple[str, str]]:
        return [(kind, name) for kind, name in ledger.open_resources() if str(cluster) in name]


def folder_name(cluster: UUID) -> str:
    return f"cluster-{cluster}"


def plural(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def receipt(ended: int, folders: int) -> str:
    what = f"{plural(ended, 'process', 'processes')}, {plural(folders, 'folder', 'folders')}"
    return f"Removed {what}; nothing is left"
