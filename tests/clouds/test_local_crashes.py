"""A worker that dies anywhere in a creation: the next one goes on, and removal leaves nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.clouds.cases import Case, create, drive
from workspaces.clouds.base import ClusterPhase
from workspaces.clouds.local import environment, processes, runs
from workspaces.clouds.local.clusters import Clusters
from workspaces.clouds.local.driver import LocalCloud
from workspaces.clouds.local.reservations import Reservations

pytestmark = pytest.mark.e2e


class WorkerDiedError(BaseException):
    """No code of ours may catch this: it stands for the end of the process."""


def dies_at(
    patch: pytest.MonkeyPatch, where: object, name: str, call: int, *, after: bool
) -> Callable[[], int]:
    """Patch ``where.name`` so that its n-th call dies, before or after its effect."""
    real, calls = getattr(where, name), []

    def dying(*args: object, **options: object) -> object:
        calls.append(name)
        if len(calls) == call and not after:
            raise WorkerDiedError
        answer = real(*args, **options)
        if len(calls) == call:
            raise WorkerDiedError
        return answer

    patch.setattr(where, name, dying)
    return lambda: len(calls)


POINTS = [
    ("ledger", "announce", 1),
    ("ledger", "record", 1),
    ("ledger", "announce", 2),
    ("ledger", "record", 2),
    (Reservations, "_write", 1),
    (runs, "prepare", 1),
    (runs, "start", 1),
    (environment, "_link", 3),
]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("where", "name", "call"), POINTS)
def test_creation_survives_a_dead_worker(
    running: Case, where: object, name: str, call: int, after: bool
) -> None:
    spec = running.cluster(nodes=1)
    with pytest.MonkeyPatch.context() as patch:
        target = running.ledger if where == "ledger" else where
        reached = dies_at(patch, target, name, call, after=after)
        with pytest.raises(WorkerDiedError):
            running.cloud.ensure_cluster(spec, running.ledger)
        assert reached() == call

    assert isinstance(running.cloud, LocalCloud)
    running.cloud = LocalCloud({"root": running.cloud._layout.root})
    assert create(running, spec).phase is ClusterPhase.READY
    drive(lambda: running.cloud.remove_cluster(spec, running.ledger), 15)

    assert processes.marked("BODO_CLUSTER", str(spec.uuid)) == []
    assert not [name for _, name in running.ledger.open_resources() if str(spec.uuid) in name]


@pytest.mark.parametrize("name", ["_end_processes", "_delete_folders", "_is_gone"])
def test_removal_survives_a_dead_worker(running: Case, name: str) -> None:
    spec = running.cluster(nodes=1)
    create(running, spec)
    with pytest.MonkeyPatch.context() as patch:
        dies_at(patch, Clusters, name, 1, after=True)
        with pytest.raises(WorkerDiedError):
            running.cloud.remove_cluster(spec, running.ledger)

    drive(lambda: running.cloud.remove_cluster(spec, running.ledger), 15)

    assert spec.uuid not in {found.cluster for found in running.cloud.inventory()}
    assert not [name for _, name in running.ledger.open_resources() if str(spec.uuid) in name]
