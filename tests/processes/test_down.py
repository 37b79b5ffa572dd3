from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

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


def running(layout: Layout, code: str) -> ShimRun:
    run = shim_run(layout.runs, python(code, output=str(layout.root / "output")))
    run.spec = replace(run.spec, markers={**run.spec.markers, "BODO_STATE": str(layout.root)})
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

    assert "Ended 1 cluster or job on this machine." in said
    assert run.processes() == []
    assert run.state().is_exited
    assert run.state().reason == "NodeLost"


def test_what_does_not_want_to_end_is_killed(layout: Layout) -> None:
    run = running(layout, STUBBORN)

    down()

    assert run.processes() == []
    assert run.state().is_exited


def test_without_anything_running_it_says_so(layout: Layout) -> None:
    assert down() == "bodoweb does not run from this data folder.\n"
