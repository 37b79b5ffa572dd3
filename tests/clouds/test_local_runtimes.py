"""Building runtimes, with a stand-in for uv that obeys files in its folder."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
import uv

from tests.waiting import wait_until
from workspaces.clouds.base import BodoVersion, CloudError
from workspaces.clouds.local import packages, runtimes
from workspaces.clouds.local.environment import Runtime
from workspaces.clouds.local.layout import Layout
from workspaces.clouds.local.runtimes import Runtimes
from workspaces.clouds.local.shim.state import RunState

FAKE_UV = """#!/bin/sh
for folder; do :; done
case "$1" in
venv)
    mkdir -p "$folder/bin"
    printf '#!/bin/sh\\necho "{\\"base_python\\": \\"p\\", \\"minor\\": \\"3.11\\"}"' \\
        > "$folder/bin/python"
    printf ' > "$3.new"\\nmv "$3.new" "$3"\\n' >> "$folder/bin/python"
    chmod +x "$folder/bin/python"
    ;;
pip)
    echo build >> HERE/builds
    [ -f HERE/fail ] && echo "  ╰─▶ No solution found: there is no such bodo" && exit 1
    [ -f HERE/hang ] && exec sleep 600
    echo "Installed 3 packages"
    ;;
esac
"""


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runtimes:
    program = tmp_path / "uv"
    program.write_text(FAKE_UV.replace("HERE", str(tmp_path)))
    program.chmod(0o700)
    monkeypatch.setattr(uv, "find_uv_bin", lambda: str(program))
    monkeypatch.setattr(runtimes, "uv_environment", lambda cache: {"PATH": "/usr/bin:/bin"})
    layout = Layout(tmp_path / "state")
    layout.create()
    return Runtimes(layout, {})


def finished(subject: Runtimes, *, asked_at: float = 0) -> Runtime:
    def look() -> Runtime | None:
        found = subject.ensure("2026.10", asked_at=asked_at)
        return found if isinstance(found, Runtime) else None

    found = wait_until(look)
    assert found is not None
    return found


def builds(tmp_path: Path) -> int:
    path = tmp_path / "builds"
    return len(path.read_text().splitlines()) if path.exists() else 0


def refusal(subject: Runtimes, *, asked_at: float) -> str:
    def look() -> str:
        try:
            subject.ensure("2026.10", asked_at=asked_at)
        except CloudError as refused:
            return refused.message
        return ""

    return wait_until(look)


def test_a_runtime_is_built_once(built: Runtimes, tmp_path: Path) -> None:
    first, second = finished(built), finished(built)

    assert first == second
    assert builds(tmp_path) == 1
    assert built.installed() == ["2026.10"]


def test_failure_is_told_and_tried_again_when_asked_again(built: Runtimes, tmp_path: Path) -> None:
    (tmp_path / "fail").touch()
    asked_at = time.time()

    message = refusal(built, asked_at=asked_at)
    refusal(built, asked_at=asked_at)

    assert message == (
        "Bodo 2026.10 could not be installed: No solution found: there is no such bodo"
    )
    assert builds(tmp_path) == 1
    (tmp_path / "fail").unlink()
    assert finished(built, asked_at=time.time()).version == "2026.10"


def test_killed_build_is_wiped_and_done_again(built: Runtimes, tmp_path: Path) -> None:
    (tmp_path / "hang").touch()
    built.ensure("2026.10", asked_at=0)
    wait_until(lambda: builds(tmp_path))
    state = RunState.read(next((tmp_path / "state" / "runs").glob("runtime-*/state.json")))
    assert state is not None

    os.kill(state.pid, signal.SIGKILL)
    (tmp_path / "hang").unlink()

    assert finished(built).version == "2026.10"
    assert builds(tmp_path) == 2


@pytest.mark.parametrize("version", ["../x", "2026", "latest", "2026.10; id", ""])
def test_what_is_no_version_is_refused(built: Runtimes, version: str) -> None:
    with pytest.raises(CloudError, match="is not a version of Bodo"):
        built.ensure(version, asked_at=0)


def test_the_newest_versions_are_offered(built: Runtimes, monkeypatch: pytest.MonkeyPatch) -> None:
    found = ["2026.10", "2026.8", "2026.7", "2026.6"]
    monkeypatch.setattr(runtimes, "index_versions", lambda package: found)
    finished(built)

    built.refresh()

    assert built.offered() == [
        BodoVersion("2026.10", is_installed=True),
        BodoVersion("2026.8"),
        BodoVersion("2026.7"),
    ]


def test_without_an_index_the_installed_ones_are_offered(
    built: Runtimes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtimes, "index_versions", lambda package: [])
    finished(built)

    built.refresh()

    assert built.offered() == [BodoVersion("2026.10", is_installed=True)]


def test_pip_of_the_base_interpreter_stands_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "find_spec", lambda name: None)

    assert packages.python_with_pip() == packages.base_python()
