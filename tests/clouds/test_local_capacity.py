from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from tests.clouds.ledgers import MemoryLedger
from workspaces.clouds.base import CloudError, ClusterSpec, WorkspaceSpec
from workspaces.clouds.local.driver import LocalCloud
from workspaces.clouds.local.layout import Layout
from workspaces.clouds.local.machine import Machine
from workspaces.clouds.local.reservations import Reservations

MACHINE = Machine(cores=2, memory_mib=4096, overcommit=2)  # four places


def wanted(nodes: int = 1, uuid: UUID | None = None) -> ClusterSpec:
    workspace = WorkspaceSpec(UUID(int=1), "local")
    return ClusterSpec(uuid or uuid4(), workspace, MACHINE.instance_type(1), nodes, "2000.1")


def reserve(root: Path, nodes: int = 1) -> bool:
    layout = Layout(root)
    layout.create()
    try:
        Reservations(layout, MACHINE).reserve(wanted(nodes))
    except CloudError:
        return False
    return True


def test_many_at_once_get_no_more_places_than_there_are(tmp_path: Path) -> None:
    with ProcessPoolExecutor(4) as pool:
        granted = list(pool.map(reserve, [tmp_path] * 12))

    assert granted.count(True) == MACHINE.places


def test_a_reservation_is_found_again_and_not_counted_twice(tmp_path: Path) -> None:
    spec = wanted(nodes=4)
    Layout(tmp_path).create()
    reservations = Reservations(Layout(tmp_path), MACHINE)

    first, second = reservations.reserve(spec), reservations.reserve(spec)

    assert first == second
    assert not reserve(tmp_path)


def test_another_size_is_a_new_generation(tmp_path: Path) -> None:
    small = wanted(nodes=1)
    Layout(tmp_path).create()
    reservations = Reservations(Layout(tmp_path), MACHINE)
    reservations.reserve(small)

    again = reservations.reserve(wanted(nodes=4, uuid=small.uuid))

    assert (again.generation, again.places) == (2, 4)


def test_removal_gives_the_places_back(tmp_path: Path) -> None:
    cloud = LocalCloud({"root": tmp_path, "cores": 2, "memory_mib": 4096})
    spec = wanted(nodes=4)
    Reservations(Layout(tmp_path), MACHINE).reserve(spec)
    with pytest.raises(CloudError, match="4 places, 4 in use; 1 more was asked for"):
        cloud.check_capacity("here", MACHINE.instance_type(1), 1)

    assert cloud.remove_cluster(spec, MemoryLedger()).is_done

    cloud.check_capacity("here", MACHINE.instance_type(1), 4)


def test_folder_deleted_by_hand_counts_as_removed(tmp_path: Path) -> None:
    cloud = LocalCloud({"root": tmp_path})
    spec = wanted()
    folder = tmp_path / "clusters" / str(spec.uuid)
    Reservations(Layout(tmp_path), MACHINE).reserve(spec)
    (folder / "cluster.json").unlink()

    progress = cloud.remove_cluster(spec, MemoryLedger())

    assert progress.message == "Removed 0 processes, 1 folder; nothing is left"
    assert not folder.exists()
