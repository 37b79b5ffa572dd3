"""A worker that dies anywhere in the creation or removal of a notebook server: the next one goes on
to one server, or to nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clouds import fake_runtime
from tests.clouds.cases import Case, drive, serve
from tests.clouds.test_local_crashes import WorkerDiedError, dies_at
from tests.git_server import GitServer
from tests.waiting import wait_until
from workspaces.clouds.local import environment, lab, notebooks, processes, runs
from workspaces.clouds.local.driver import LocalCloud
from workspaces.clouds.local.notebooks import Notebooks
from workspaces.clouds.local.servers import Servers
from workspaces.clouds.servers import NotebookSpec

SHIM_AND_LAB = 2

pytestmark = pytest.mark.soak

CREATION = [
    ("ledger", "announce", 1),
    (Servers, "_write", 1),
    ("ledger", "record", 1),
    ("ledger", "announce", 2),
    (environment, "_link", 2),
    (lab, "write_kernelspec", 1),
    (lab, "write_json", 2),  # the extension without what describes it
    (lab, "install_extension", 1),
    (runs, "prepare", 1),
    (runs, "start", 1),
    ("ledger", "record", 2),
]
REMOVAL = [
    (Servers, "change", 1),
    ("ledger", "removed", 1),
    ("ledger", "removed", 2),
    (runs, "tell_to_end", 1),
    (processes, "sweep", 1),
    (Notebooks, "_end_processes", 1),
    (notebooks, "delete_tree", 1),  # of the run
    (notebooks, "delete_tree", 2),  # of the server's own
    (Notebooks, "_is_gone", 1),
    ("ledger", "confirm_gone", 1),
    ("ledger", "confirm_gone", 2),
]


@pytest.fixture
def answering(tmp_path: Path, git: GitServer) -> Iterator[Case]:
    """Local with a stand-in of JupyterLab."""
    state = tmp_path / "state"
    fake_runtime.install_answering_lab(state)
    found = Case(LocalCloud({"root": state}), "2026.10", git, seconds=15)
    yield found
    found.clean_up()


def ensure_until_death(
    case: Case, spec: NotebookSpec, where: object, name: str, call: int, *, after: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        target = case.ledger if where == "ledger" else where
        reached = dies_at(patch, target, name, call, after=after)
        with pytest.raises(WorkerDiedError):
            case.cloud.ensure_notebook(spec, case.ledger)
        assert reached() == call
    another_worker(case)


def another_worker(case: Case) -> None:
    assert isinstance(case.cloud, LocalCloud)
    case.cloud = LocalCloud({"root": case.cloud._layout.root})


def remove(case: Case, spec: NotebookSpec) -> None:
    drive(lambda: case.cloud.remove_notebook(spec, case.ledger), case.seconds)


def assert_nothing_is_left(case: Case, spec: NotebookSpec) -> None:
    assert isinstance(case.cloud, LocalCloud)
    root = case.cloud._layout.root
    assert processes.marked("BODO_NOTEBOOK", str(spec.uuid)) == []
    assert list(root.glob(f"*/*{spec.uuid}*")) == []
    assert spec.uuid not in {found.notebook for found in case.cloud.inventory()}
    assert not [name for _, name in case.ledger.open_resources() if str(spec.uuid) in name]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("where", "name", "call"), CREATION)
def test_creation_survives_a_dead_worker(
    answering: Case, where: object, name: str, call: int, after: bool
) -> None:
    spec = answering.notebook()
    ensure_until_death(answering, spec, where, name, call, after=after)

    serve(answering, spec)

    # A second shim finds the first one and ends.
    wait_until(lambda: len(processes.marked("BODO_NOTEBOOK", str(spec.uuid))) == SHIM_AND_LAB)
    remove(answering, spec)
    assert_nothing_is_left(answering, spec)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("where", "name", "call"), CREATION)
def test_what_a_dead_worker_began_can_be_removed(
    answering: Case, where: object, name: str, call: int, after: bool
) -> None:
    """As when its owner does not wait."""
    spec = answering.notebook()
    ensure_until_death(answering, spec, where, name, call, after=after)

    remove(answering, spec)

    assert_nothing_is_left(answering, spec)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("where", "name", "call"), REMOVAL)
def test_removal_survives_a_dead_worker(
    answering: Case, where: object, name: str, call: int, after: bool
) -> None:
    spec = answering.notebook()
    serve(answering, spec)
    with pytest.MonkeyPatch.context() as patch:
        target = answering.ledger if where == "ledger" else where
        reached = dies_at(patch, target, name, call, after=after)
        with pytest.raises(WorkerDiedError):
            answering.cloud.remove_notebook(spec, answering.ledger)
        assert reached() == call
    another_worker(answering)

    remove(answering, spec)

    assert_nothing_is_left(answering, spec)
