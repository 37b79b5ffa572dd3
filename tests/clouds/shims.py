"""A run of the Local cloud's shim without a cluster around it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.waiting import wait_until
from workspaces.clouds.commands import LogLine
from workspaces.clouds.local import processes, runs
from workspaces.clouds.local.shim.logfile import parse_record
from workspaces.clouds.local.shim.state import RunState, Spec, Stage


@dataclass
class ShimRun:
    folder: Path
    spec: Spec

    @property
    def state_path(self) -> Path:
        return Path(self.spec.state)

    def start(self, **secrets: dict[str, str]) -> None:
        runs.prepare(self.folder, self.spec)
        runs.start(self.folder, secrets)

    def state(self) -> RunState:
        found = wait_until(lambda: RunState.read(self.state_path))
        assert found is not None
        return found

    def end(self, *, timeout: float = 20) -> RunState:
        wait_until(lambda: self.state().is_exited, timeout=timeout)
        state = self.state()
        wait_until(lambda: not processes.is_alive(state.pid, state.start_ticks))
        return state

    def lines(self) -> list[LogLine]:
        log = Path(self.spec.log)
        records = log.read_bytes().splitlines() if log.exists() else []
        found = [parse_record(record) for record in records]
        assert None not in found
        return [line for line in found if line is not None]

    def texts(self) -> list[str]:
        return [line.text for line in self.lines()]

    def processes(self) -> list[int]:
        return [p.pid for p in processes.marked("BODO_RUN", self.spec.run)]


def python(code: str, **options: Any) -> Stage:
    return command([sys.executable, "-c", code], **options)


def command(argv: list[str], **options: Any) -> Stage:
    env = {"PATH": "/usr/bin:/bin", "PYTHONUNBUFFERED": "1"}
    return Stage(**{"name": "main", "argv": argv, "cwd": "/", "env": env, **options})


def shim_run(root: Path, *stages: Stage, **options: Any) -> ShimRun:
    name = f"test-{uuid4()}"
    folder = root / name
    spec = Spec(
        run=name,
        log=str(root / f"{name}.log"),
        state=str(folder / "state.json"),
        markers={"BODO_RUN": name},
        stages=list(stages),
        **options,
    )
    return ShimRun(folder, spec)
