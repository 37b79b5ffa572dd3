from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clouds import fake_runtime
from tests.clouds.cases import Case
from tests.clouds.memory_groups import why_not
from tests.git_server import GitServer
from workspaces.clouds.local.driver import LocalCloud
from workspaces.clouds.local.environment import Runtime
from workspaces.clouds.local.machine import has_own_host_names

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
