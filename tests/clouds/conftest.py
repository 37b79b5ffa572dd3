from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clouds.cases import Case
from tests.clouds.memory_groups import why_not
from tests.git_server import GitServer
from tests.waiting import wait_until
from workspaces.clouds.local.driver import LocalCloud
from workspaces.clouds.local.environment import Runtime
from workspaces.clouds.local.layout import Layout
from workspaces.clouds.local.machine import has_own_host_names
from workspaces.clouds.local.runtimes import Runtimes

REPOSITORY = Path(__file__).parents[2]
# A test that could only be skipped is not collected; the header of tests/conftest.py says so.
collect_ignore = ["test_out_of_memory.py"] if why_not() else []


@pytest.fixture(scope="session")
def git() -> Iterator[GitServer]:
    with GitServer() as server:
        yield server


@pytest.fixture
def case(tmp_path: Path, git: GitServer) -> Iterator[Case]:
    """Local without any runtime: whatever needs no running cluster."""
    found = Case(LocalCloud({"root": tmp_path / "state", "cores": 4}), "2026.10", git, seconds=10)
    yield found
    found.clean_up()


@pytest.fixture(scope="session")
def runtime() -> Runtime:
    """A real Bodo, built once and kept for later sessions."""
    root = Path(os.environ.get("BODO_TEST_RUNTIMES", REPOSITORY / "var" / "test-local"))
    layout = Layout(root.resolve())
    layout.create()
    runtimes = Runtimes(layout, {})
    if not runtimes.installed():
        runtimes.refresh()
    version = (runtimes.installed() or [runtimes.offered()[0].version])[0]

    def built() -> Runtime | None:
        found = runtimes.ensure(version, asked_at=0)
        return found if isinstance(found, Runtime) else None

    found = wait_until(built, timeout=600, every=0.2)
    assert found is not None
    return found


@pytest.fixture
def running(tmp_path: Path, git: GitServer, runtime: Runtime) -> Iterator[Case]:
    """Local with a real runtime, in a state folder of its own."""
    state = tmp_path / "state"
    cloud = LocalCloud({"root": state})
    (state / "runtimes" / runtime.folder.name).symlink_to(runtime.folder)
    found = Case(cloud, runtime.version, git, seconds=60, has_own_names=has_own_host_names())
    yield found
    found.clean_up()
