"""What is reserved on this machine: one cluster.json per cluster, decided under one lock."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from uuid import UUID

from workspaces.clouds.base import CloudError, ClusterSpec, InstanceType, WorkspaceSpec
from workspaces.clouds.local.layout import Layout, uuid_folders
from workspaces.clouds.local.machine import MOST_NODES, Machine
from workspaces.clouds.local.shim.state import lock_file, write_json

LOCK_SECONDS = 10


@dataclass(frozen=True)
class Reservation:
    """``generation`` grows with every fresh start; ``asked_at``: when that start was asked for."""

    uuid: str
    workspace: str
    cores: int
    node_count: int
    bodo_version: str
    generation: int
    asked_at: float
    is_stopped: bool = False
    is_removing: bool = False
    ended_processes: int = 0

    @property
    def places(self) -> int:
        return self.cores * self.node_count

    def is_for(self, spec: ClusterSpec) -> bool:
        mine = (self.cores, self.node_count, self.bodo_version)
        return mine == (spec.instance_type.cores, spec.node_count, spec.bodo_version)

    def as_spec(self, machine: Machine) -> ClusterSpec:
        kind: InstanceType = machine.instance_type(self.cores)
        workspace = WorkspaceSpec(UUID(self.workspace), "")
        return ClusterSpec(UUID(self.uuid), workspace, kind, self.node_count, self.bodo_version)


class Reservations:
    def __init__(self, layout: Layout, machine: Machine) -> None:
        self._layout = layout
        self._machine = machine

    def find(self, cluster: UUID) -> Reservation | None:
        try:
            text = (self._layout.cluster(cluster) / "cluster.json").read_text()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return Reservation(**json.loads(text))

    def every(self) -> list[Reservation]:
        found = (self.find(uuid) for uuid, _ in uuid_folders(self._layout.clusters))
        return [reservation for reservation in found if reservation is not None]

    def check(self, wanted: int, node_count: int, *, besides: UUID | None = None) -> None:
        """Raises CloudError("Capacity"); ``besides``: a cluster whose places do not count."""
        if node_count > MOST_NODES:
            raise CloudError("Capacity", f"A local cluster has at most {MOST_NODES} nodes.")
        # A stopped cluster keeps its files and gives its places back until it is resumed.
        held = (r for r in self.every() if not r.is_stopped and r.uuid != str(besides))
        used = sum(r.places for r in held)
        self._machine.check_places(wanted, used)

    def reserve(self, spec: ClusterSpec) -> Reservation:
        """Find or make; a stopped one, or one of another size, becomes a new generation."""
        with lock_file(self._layout.lock, seconds=LOCK_SECONDS) as is_ours:
            require(is_ours)
            found = self.find(spec.uuid)
            if found is not None and found.is_removing:
                raise CloudError("Removed", "This cluster is being removed.")
            if found is not None and found.is_for(spec) and not found.is_stopped:
                return found
            self.check(spec.core_count, spec.node_count, besides=spec.uuid)
            reservation = Reservation(
                uuid=str(spec.uuid),
                workspace=str(spec.workspace.uuid),
                cores=spec.instance_type.cores,
                node_count=spec.node_count,
                bodo_version=spec.bodo_version,
                generation=found.generation + 1 if found else 1,
                asked_at=time.time(),
            )
            return self._write(reservation)

    def change(self, cluster: UUID, **changes: object) -> Reservation | None:
        with lock_file(self._layout.lock, seconds=LOCK_SECONDS) as is_ours:
            require(is_ours)
            found = self.find(cluster)
            return self._write(replace(found, **changes)) if found else None  # type: ignore[arg-type] # field values

    def while_in_use(self, reservation: Reservation, act: Callable[[], None]) -> None:
        """Run ``act`` unless the cluster was stopped, removed or started afresh meanwhile."""
        with lock_file(self._layout.lock, seconds=LOCK_SECONDS) as is_ours:
            require(is_ours)
            found = self.find(UUID(reservation.uuid))
            if found is None or found.is_stopped or found.is_removing:
                raise CloudError("Removed", "This cluster was stopped or removed meanwhile.")
            if found.generation == reservation.generation:
                act()

    def _write(self, reservation: Reservation) -> Reservation:
        folder = self._layout.cluster(UUID(reservation.uuid))
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_json(folder / "cluster.json", asdict(reservation))
        return reservation


def require(is_ours: bool) -> None:
    if not is_ours:
        raise CloudError("Busy", "This machine is busy; trying again.", retryable=True)
