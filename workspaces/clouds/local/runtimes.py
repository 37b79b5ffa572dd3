"""One read-only runtime per Bodo version, built by uv in a run of its own.

The marker file, written last, makes a runtime: a folder without it is half-built, and the next
build begins by wiping it.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import uv

from workspaces.clouds.base import BodoVersion, CloudError, Progress
from workspaces.clouds.local import runs
from workspaces.clouds.local.environment import CONSTRAINTS, Runtime
from workspaces.clouds.local.layout import Layout
from workspaces.clouds.local.packages import (
    base_python,
    index_versions,
    uv_environment,
    version_key,
)
from workspaces.clouds.local.reservations import require
from workspaces.clouds.local.shim.logfile import parse_record, read_records
from workspaces.clouds.local.shim.state import Spec, Stage, lock_file, write_json

DESCRIBE = Path(__file__).parents[1] / "nodekit" / "describe.py"
LOCK_SECONDS = 10
BUILD_SECONDS = 1800.0
_VERSION = re.compile(r"^\d+(\.\d+)+$")
_UV_SENTENCE = re.compile(r"^(Resolved|Prepared|Installed|Bytecode compiled) \d+ \w+")
_PERCENT = {"Resolved": 15, "Prepared": 40, "Installed": 60, "Bytecode": 90}


@dataclass(frozen=True)
class Build:
    """One attempt at a runtime."""

    folder: Path

    @property
    def state_path(self) -> Path:
        return self.folder / "state.json"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def last_lines(self) -> list[str]:
        size = self.log.stat().st_size if self.log.exists() else 0
        data, _ = read_records(self.log, max(0, size - 8192), 8192)
        lines = [parse_record(record) for record in data.splitlines()]
        return [line.text.strip() for line in lines if line is not None and line.text.strip()]


class Runtimes:
    def __init__(self, layout: Layout, settings: Mapping[str, object]) -> None:
        self._layout = layout
        self._python = str(settings.get("python") or base_python())
        self._count = int(str(settings.get("version_count") or 3))
        self._cache = str(settings.get("uv_cache") or layout.root / "uv-cache")
        self._minor = f"{sys.version_info.major}.{sys.version_info.minor}"

    def find(self, version: str) -> Runtime | None:
        folder = self._folder(version)
        try:
            facts = json.loads((folder / "runtime.json").read_text())
        except (FileNotFoundError, NotADirectoryError):
            return None
        return Runtime(version, folder, facts["base_python"], facts["minor"])

    def installed(self) -> list[str]:
        names = [path.name.partition("-")[0] for path in self._layout.runtimes.glob("*-py*")]
        found = [name for name in names if _VERSION.match(name) and self.find(name)]
        return sorted(found, key=version_key, reverse=True)

    def offered(self) -> list[BodoVersion]:
        """From the list that ``refresh`` wrote; without one, what is installed."""
        installed = self.installed()
        try:
            newest = json.loads(self._layout.versions.read_text())
        except FileNotFoundError:
            newest = []
        return [BodoVersion(v, v in installed) for v in (newest or installed)[: self._count]]

    def refresh(self) -> None:
        newest = index_versions("bodo")
        if newest:
            self._layout.create()
            write_json(self._layout.versions, newest[: self._count])

    def ensure(self, version: str, *, asked_at: float) -> Runtime | Progress:
        """Build it if need be. A failure from before ``asked_at`` is tried again."""
        if not _VERSION.match(version):
            raise CloudError("BodoVersion", f"{version!r} is not a version of Bodo.")
        found = self.find(version)
        if found is not None:
            return found
        build = self._current_build(version, asked_at)
        look = runs.look(build.folder, build.state_path)
        if look.state is None:
            runs.start(build.folder, self._secrets())
        elif look.is_exited and look.state.reason:
            raise CloudError("RuntimeFailed", failure(version, build.last_lines()))
        return self.find(version) or progress(version, build.last_lines())

    def _current_build(self, version: str, asked_at: float) -> Build:
        with lock_file(self._layout.lock, seconds=LOCK_SECONDS) as is_ours:
            require(is_ours)
            attempt = 1
            while self._is_over(Build(self._build_folder(version, attempt)), asked_at):
                attempt += 1
            build = Build(self._build_folder(version, attempt))
            runs.prepare(build.folder, self._spec(version, build))
        return build

    def _is_over(self, build: Build, asked_at: float) -> bool:
        """A build that was killed, or failed before this was asked, or left no runtime."""
        look = runs.bury(build.folder, build.state_path)
        if look.state is None or not look.is_exited:
            return False
        is_broken_off = look.state.reason in ("", "Lost", "NodeLost", "Cancelled")
        is_of_this_ask = asked_at <= (look.state.finished_at or 0) <= time.time()
        return is_broken_off or not is_of_this_ask  # the clock may have been set back

    def _build_folder(self, version: str, attempt: int) -> Path:
        return self._layout.run(f"runtime-{self._folder(version).name}-{attempt}")

    def _folder(self, version: str) -> Path:
        return self._layout.runtimes / f"{version}-py{self._minor.replace('.', '')}"

    def _secrets(self) -> dict[str, dict[str, str]]:
        env = uv_environment(self._cache)
        return {"venv": env, "packages": env}

    def _spec(self, version: str, build: Build) -> Spec:
        folder, uv_bin = str(self._folder(version)), uv.find_uv_bin()
        python = f"{folder}/bin/python"
        packages = [f"bodo=={version}", "ipyparallel", "ipykernel"]
        install = [uv_bin, "pip", "install", "--python", python, "--compile-bytecode"]
        describe = [python, "-I", str(DESCRIBE), f"{folder}/runtime.json"]
        programs = {
            "venv": [uv_bin, "venv", "--clear", "--seed", "--python", self._python, folder],
            "packages": [*install, "--constraint", str(CONSTRAINTS), *packages],
            "check": describe,
        }
        env = {"HOME": str(self._layout.root), "PATH": "/usr/bin:/bin", "BODO_SPAWN_MODE": "0"}
        name = build.folder.name
        return Spec(
            run=name,
            log=str(build.log),
            state=str(build.state_path),
            markers={"BODO_RUN": name, "BODO_STATE": str(self._layout.root)},
            seconds=BUILD_SECONDS,
            stages=[
                Stage(name=stage, argv=argv, cwd="/", env=env, reason="RuntimeFailed")
                for stage, argv in programs.items()
            ],
        )


def progress(version: str, lines: list[str]) -> Progress:
    """uv says how far it is, and its sentences are in the past tense already."""
    for line in reversed(lines):
        told = _UV_SENTENCE.match(line)
        if told:
            percent = _PERCENT[line.split()[0]]
            return Progress(False, percent, f"Bodo {version}: {told.group().lower()}")
    return Progress(False, 1, f"Began to install Bodo {version}")


def failure(version: str, lines: list[str]) -> str:
    """The last lines, without the drawing that uv puts around its sentences."""
    causes = [re.sub(r"^\W+", "", line) for line in lines if not line.startswith("Ended ")]
    return f"Bodo {version} could not be installed: {' '.join(causes[-4:])[:800]}"
