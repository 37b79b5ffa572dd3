"""Read-only runtimes, one per Bodo version and one of JupyterLab, built by uv in runs of their own.

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
from workspaces.clouds.local.environment import CONSTRAINTS, NODEKIT, Runtime
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

DESCRIBE = NODEKIT / "describe.py"
LOCK_SECONDS = 10
BUILD_SECONDS = 1800.0
LAB_VERSION = "4.6.6"
_VERSION = re.compile(r"^\d+(\.\d+)+$")
_UV_SENTENCE = re.compile(r"^(Resolved|Prepared|Installed|Bytecode compiled) \d+ \w+")
_PERCENT = {"Resolved": 15, "Prepared": 40, "Installed": 60, "Bytecode": 90}


@dataclass(frozen=True)
class Recipe:
    """``title``: how people are told of it, "Bodo 2026.10"; ``kind``: what describe.py checks."""

    title: str
    version: str
    folder: Path
    kind: str
    packages: tuple[str, ...]


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
        return _read(self._bodo(version))

    def find_lab(self) -> Runtime | None:
        return _read(self._lab())

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
        return self._ensure(self._bodo(version), asked_at)

    def ensure_lab(self, *, asked_at: float) -> Runtime | Progress:
        return self._ensure(self._lab(), asked_at)

    def _ensure(self, recipe: Recipe, asked_at: float) -> Runtime | Progress:
        found = _read(recipe)
        if found is not None:
            return found
        build = self._current_build(recipe, asked_at)
        look = runs.look(build.folder, build.state_path)
        if look.state is None:
            runs.start(build.folder, self._secrets())
        elif look.is_exited and look.state.reason:
            raise CloudError("RuntimeFailed", failure(recipe.title, build.last_lines()))
        return _read(recipe) or progress(recipe.title, build.last_lines())

    def _current_build(self, recipe: Recipe, asked_at: float) -> Build:
        with lock_file(self._layout.lock, seconds=LOCK_SECONDS) as is_ours:
            require(is_ours)
            attempt = 1
            while self._is_over(Build(self._build_folder(recipe, attempt)), asked_at):
                attempt += 1
            build = Build(self._build_folder(recipe, attempt))
            runs.prepare(build.folder, self._spec(recipe, build))
        return build

    def _is_over(self, build: Build, asked_at: float) -> bool:
        """A build that was killed, or failed before this was asked, or left no runtime."""
        look = runs.bury(build.folder, build.state_path)
        if look.state is None or not look.is_exited:
            return False
        is_broken_off = look.state.reason in ("", "Lost", "NodeLost", "Cancelled")
        is_of_this_ask = asked_at <= (look.state.finished_at or 0) <= time.time()
        return is_broken_off or not is_of_this_ask  # the clock may have been set back

    def _build_folder(self, recipe: Recipe, attempt: int) -> Path:
        return self._layout.run(f"runtime-{recipe.folder.name}-{attempt}")

    def _bodo(self, version: str) -> Recipe:
        packages = (f"bodo=={version}", "ipyparallel", "ipykernel")
        return Recipe(f"Bodo {version}", version, self._folder(version), "bodo", packages)

    def _lab(self) -> Recipe:
        packages = (f"jupyterlab=={LAB_VERSION}", "ipykernel")
        folder = self._folder(f"jupyterlab-{LAB_VERSION}")
        return Recipe(f"JupyterLab {LAB_VERSION}", LAB_VERSION, folder, "jupyterlab", packages)

    def _folder(self, name: str) -> Path:
        return self._layout.runtimes / f"{name}-py{self._minor.replace('.', '')}"

    def _secrets(self) -> dict[str, dict[str, str]]:
        env = uv_environment(self._cache)
        return {"venv": env, "packages": env}

    def _spec(self, recipe: Recipe, build: Build) -> Spec:
        folder, uv_bin = str(recipe.folder), uv.find_uv_bin()
        python = f"{folder}/bin/python"
        install = [uv_bin, "pip", "install", "--python", python, "--compile-bytecode"]
        programs = {
            "venv": [uv_bin, "venv", "--clear", "--seed", "--python", self._python, folder],
            "packages": [*install, "--constraint", str(CONSTRAINTS), *recipe.packages],
            "check": [python, "-I", str(DESCRIBE), f"{folder}/runtime.json", recipe.kind],
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


def _read(recipe: Recipe) -> Runtime | None:
    """None until its marker is there."""
    try:
        facts = json.loads((recipe.folder / "runtime.json").read_text())
    except (FileNotFoundError, NotADirectoryError):
        return None
    return Runtime(recipe.version, recipe.folder, facts["base_python"], facts["minor"])


def progress(title: str, lines: list[str]) -> Progress:
    """uv says how far it is, and its sentences are in the past tense already."""
    for line in reversed(lines):
        told = _UV_SENTENCE.match(line)
        if told:
            percent = _PERCENT[line.split()[0]]
            return Progress(False, percent, f"{title}: {told.group().lower()}")
    return Progress(False, 1, f"Began to install {title}")


def failure(title: str, lines: list[str]) -> str:
    """The last lines, without the drawing that uv puts around its sentences."""
    causes = [re.sub(r"^\W+", "", line) for line in lines if not line.startswith("Ended ")]
    return f"{title} could not be installed: {' '.join(causes[-4:])[:800]}"
