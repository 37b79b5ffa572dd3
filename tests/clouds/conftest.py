from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.clouds import fake_runtime
from tests.clouds.cases import Case
from tests.clouds.memory_groups import why_not
from tests.git_server import GitServer
from tests.waiting import wait_until
from workspaces.clouds.base import Progress
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
    fake_runtime.install_lab(tmp_path / "state")
    found = Case(LocalCloud({"root": tmp_path / "state", "cores": 4}), "2026.10", git, seconds=10)
    yield found
    found.clean_up()


@pytest.fixture(scope="session")
def kept() -> Runtimes:
    """Real runtimes, built once and kept for later sessions."""
    root = Path(os.environ.get("BODO_TEST_RUNTIMES", REPOSITORY / "var" / "test-local"))
    layout = Layout(root.resolve())
    layout.create()
    return Runtimes(layout, {"uv_cache": str(REPOSITORY / "var" / "test-downloads")})


@pytest.fixture(scope="session")
def runtime(kept: Runtimes) -> Runtime:
    """A real Bodo."""
    if not kept.installed():
        kept.refresh()
    version = (kept.installed() or [kept.offered()[0].version])[0]
    return built(lambda: kept.ensure(version, asked_at=0))


@pytest.fixture(scope="session")
def lab(kept: Runtimes) -> Runtime:
    """A real JupyterLab."""
    return built(lambda: kept.ensure_lab(asked_at=0))


def built(ensure: Callable[[], Runtime | Progress]) -> Runtime:
    def look() -> Runtime | None:
        found = ensure()
        return found if isinstance(found, Runtime) else None

    found = wait_until(look, timeout=600, every=0.2)
    assert found is not None
    return found


@pytest.fixture
def serving(tmp_path: Path, git: GitServer, lab: Runtime) -> Iterator[Case]:
    """Local with a real JupyterLab and no Bodo."""
    state = tmp_path / "state"
    cloud = LocalCloud({"root": state})
    (state / "runtimes" / lab.folder.name).symlink_to(lab.folder)
    found = Case(cloud, "2026.10", git, seconds=60)
    yield found
    found.clean_up()


@pytest.fixture
def running(tmp_path: Path, git: GitServer, runtime: Runtime, lab: Runtime) -> Iterator[Case]:
    """Local with real runtimes, in a state folder of its own."""
    state = tmp_path / "state"
    cloud = LocalCloud({"root": state})
    for real in (runtime, lab):
        (state / "runtimes" / real.folder.name).symlink_to(real.folder)
    found = Case(cloud, runtime.version, git, seconds=60, has_own_names=has_own_host_names())
    yield found
    found.clean_up()
