from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import call_command

from tests.clouds.shims import ShimRun, python, shim_run
from tests.waiting import wait_until
from workspaces.clouds.local.layout import Layout

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"


@pytest.fixture
def layout(settings: Any, tmp_path: Path) -> Layout:
    settings.DATA_DIR = tmp_path
    settings.CLOUD_SETTINGS = {"local": {"root": str(tmp_path / "local")}}
    layout = Layout(tmp_path / "local")
    layout.create()
    return layout


def running(layout: Layout, code: str, name: str = "") -> ShimRun:
    """``name`` of the run, as a cluster's or a notebook's, else a job's."""
    run = shim_run(layout.runs, python(code, output=str(layout.root / "output")))
    markers = {**run.spec.markers, "BODO_STATE": str(layout.root)}
    if name:
        run.folder = layout.run(name)
        markers["BODO_RUN"] = name
        run.spec = replace(run.spec, run=name, state=str(run.folder / "state.json"))
    run.spec = replace(run.spec, markers=markers)
    run.start()
    wait_until(lambda: len(run.processes()) >= 2)
    return run


def down() -> str:
    out = StringIO()
    call_command("down", stdout=out)
    return out.getvalue()


def test_what_the_local_cloud_runs_is_ended_and_tells_so(layout: Layout) -> None:
    run = running(layout, "import time; time.sleep(60)")

    said = down()

    assert "Ended 1 job on this machine." in said
    assert run.processes() == []
    assert run.state().is_exited
    assert run.state().reason == "NodeLost"


def test_each_kind_is_told(layout: Layout) -> None:
    names = ["engines-a-1", "engines-b-1", f"notebook-{uuid4()}-1", "runtime-2026.10-1"]
    runs = [running(layout, "import time; time.sleep(60)", name) for name in names]

    said = down()

    assert "Ended 1 installation, 1 notebook, 2 clusters on this machine." in said
    assert not any(run.processes() for run in runs)


def test_what_does_not_want_to_end_is_killed(layout: Layout) -> None:
    run = running(layout, STUBBORN)

    down()

    assert run.processes() == []
    assert run.state().is_exited


def test_without_anything_running_it_says_so(layout: Layout) -> None:
    assert down() == "bodoweb does not run from this data folder.\n"
