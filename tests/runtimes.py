"""Real runtimes, built once and kept for later runs. The fixtures are everywhere in tests."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.waiting import wait_until
from workspaces.clouds.base import Progress
from workspaces.clouds.local.environment import Runtime
from workspaces.clouds.local.layout import Layout
from workspaces.clouds.local.runtimes import Runtimes

REPOSITORY = Path(__file__).parents[1]


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
