"""From asking for a server to its first answer, beside ``jupyter lab`` started by hand."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.clouds.cases import Case, drive, serve
from tests.clouds.conftest import built, kept
from tests.clouds.jupyter import answer
from tests.git_server import GitServer
from tests.waiting import wait_until
from workspaces.clouds.local.driver import LocalCloud
from workspaces.clouds.local.environment import Runtime

__all__ = ["kept"]

ROUNDS = 5

pytestmark = pytest.mark.bench


@pytest.fixture
def lab(kept: object) -> Runtime:
    return built(lambda: kept.ensure_lab(asked_at=0))  # type: ignore[attr-defined]


@pytest.fixture
def case(tmp_path: Path, lab: Runtime) -> Iterator[Case]:
    state = tmp_path / "state"
    cloud = LocalCloud({"root": state})
    (state / "runtimes" / lab.folder.name).symlink_to(lab.folder)
    with GitServer() as git:
        found = Case(cloud, "2026.10", git)
        yield found
        found.clean_up()


def by_hand(lab: Runtime, folder: Path) -> float:
    folder.mkdir()
    token, home = uuid4().hex, str(folder)
    words = [lab.program("python"), "-m", "jupyterlab", "--no-browser", "--allow-root"]
    environment = {"HOME": home, "PATH": "/usr/bin:/bin", "JUPYTER_TOKEN": token}
    place = f"/tmp/bodo-bench-{os.getpid()}.sock"  # noqa: S108 - an address must be short
    began = time.monotonic()
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [*words, f"--ServerApp.sock={place}", "--ServerApp.allow_remote_access=True"],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        wait_until(lambda: answer(f"unix:{place}", token) == 200, timeout=60)
        return time.monotonic() - began
    finally:
        server.terminate()
        server.wait()
        Path(place).unlink(missing_ok=True)


def by_driver(case: Case) -> float:
    spec = case.notebook()
    began = time.monotonic()
    serve(case, spec)
    seconds = time.monotonic() - began
    drive(lambda: case.cloud.remove_notebook(spec, case.ledger), case.seconds)
    return seconds


def test_server_against_jupyter_lab_by_hand(case: Case, lab: Runtime, tmp_path: Path) -> None:
    """Taken in turn, so that both meet the same machine."""
    pairs = [(by_driver(case), by_hand(lab, tmp_path / f"hand{n}")) for n in range(ROUNDS)]

    ours, hand = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"\nnotebook server: {ours:.2f} s, by hand {hand:.2f} s, {ours / hand:.2f} x (goal 1.3)")
