"""Commands (job runs): fetch the source, run it under mpiexec on the cluster's nodes."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

from workspaces.clouds.base import CloudError, Level, ResourceLedger
from workspaces.clouds.commands import (
    CommandSpec,
    CommandState,
    CommandStatus,
    GitSource,
    LogChunk,
    LogFailure,
)
from workspaces.clouds.local import processes, runs
from workspaces.clouds.local.environment import (
    Runtime,
    allowed_variables,
    cluster_environment,
    markers,
)
from workspaces.clouds.local.layout import Layout, delete_tree
from workspaces.clouds.local.reservations import Reservation, Reservations
from workspaces.clouds.local.runs import Look
from workspaces.clouds.local.runtimes import Runtimes
from workspaces.clouds.local.shim.failures import failures_path
from workspaces.clouds.local.shim.logfile import (
    parse_record,
    read_records,
    read_records_before,
)
from workspaces.clouds.local.shim.state import Spec, Stage
from workspaces.clouds.local.sources import (
    address_and_credentials,
    network_environment,
    source_stage,
    working_folder,
)

CANCEL_SECONDS = 3.0
KILL_AFTER_SECONDS = 8.0


class Commands:
    def __init__(
        self,
        layout: Layout,
        reservations: Reservations,
        runtimes: Runtimes,
        settings: Mapping[str, object],
    ) -> None:
        self._log_limit = int(str(settings.get("log_mib") or 256)) * 1024 * 1024
        self._has_private_addresses = bool(settings.get("git_private_addresses", True))
        self._layout = layout
        self._reservations = reservations
        self._runtimes = runtimes

    def ensure(self, spec: CommandSpec, ledger: ResourceLedger) -> CommandStatus:
        look = self._look(spec.uuid)
        if look.state is None and not look.is_alive:
            self._start(spec, ledger)
        status = self.observe(spec)
        is_open = ("command", str(spec.uuid)) in ledger.open_resources()
        if status.state is CommandState.EXITED and is_open:
            ledger.removed("command", str(spec.uuid))
            ledger.confirm_gone("command", str(spec.uuid))
        return status

    def observe(self, spec: CommandSpec) -> CommandStatus:
        look = runs.bury(self._run_dir(spec.uuid), self._layout.command_state(spec.uuid))
        if look.state is None:
            is_prepared = (self._run_dir(spec.uuid) / "spec.json").exists()
            return CommandStatus(CommandState.STARTING if is_prepared else CommandState.ABSENT)
        return _status(look)

    def cancel(self, spec: CommandSpec, *, reason: str) -> CommandStatus:
        folder, state_path = self._run_dir(spec.uuid), self._layout.command_state(spec.uuid)
        look = self._look(spec.uuid)
        if look.is_exited or not folder.is_dir():
            return self.observe(spec)
        runs.tell_to_end(folder, state_path, reason=reason)
        if look.state is None and not look.is_alive:
            runs.start(folder, {})  # it was never started; this writes down its end
        elif _was_told_long_ago(folder / "stop"):
            processes.sweep("BODO_RUN", str(spec.uuid), seconds=1)
        deadline = time.monotonic() + CANCEL_SECONDS
        while not self._is_over(spec.uuid) and time.monotonic() < deadline:
            time.sleep(0.03)
        return self.observe(spec)

    def read_log(self, command: UUID, *, offset: int, max_bytes: int) -> LogChunk:
        is_over = self._is_over(command)  # before reading: what is written until now is all
        data, size = read_records(self._layout.log(command), offset, max_bytes)
        return _chunk(data, offset, size, is_over=is_over)

    def read_log_before(self, command: UUID, *, before: int | None, max_bytes: int) -> LogChunk:
        is_over = self._is_over(command)
        path = self._layout.log(command)
        data, begin, size = read_records_before(path, before, max_bytes)
        return _chunk(data, begin, size, is_over=is_over)

    def log_failures(self, command: UUID) -> tuple[LogFailure, ...]:
        try:
            told = json.loads(failures_path(self._layout.log(command)).read_text())
        except FileNotFoundError:
            return ()
        return tuple(
            LogFailure(int(rank), words["offset"], words["line"]) for rank, words in told.items()
        )

    def remove_log(self, command: UUID) -> None:
        """The state goes last: without it nobody would know that the run is over."""
        state_path = self._layout.command_state(command)
        if not self._is_over(command) and state_path.exists():
            raise CloudError("StillRunning", "This command has not ended.")
        log = self._layout.log(command)
        for path in (failures_path(log), log):
            path.unlink(missing_ok=True)
        delete_tree(self._run_dir(command))
        state_path.unlink(missing_ok=True)

    def _is_over(self, command: UUID) -> bool:
        """The writer is gone; a run that died is buried first, which closes its log."""
        look = runs.bury(self._run_dir(command), self._layout.command_state(command))
        return look.is_exited and not look.is_alive

    def _look(self, command: UUID) -> Look:
        return runs.look(self._run_dir(command), self._layout.command_state(command))

    def _run_dir(self, command: UUID) -> Path:
        return self._layout.run(str(command))

    def _start(self, spec: CommandSpec, ledger: ResourceLedger) -> None:
        reservation = self._reservations.find(spec.cluster.uuid)
        runtime = self._runtimes.find(spec.cluster.bodo_version)
        if reservation is None or runtime is None:
            raise CloudError("ClusterNotReady", "The cluster of this command is not there.")
        ledger.announce("command", str(spec.uuid), level=Level.CLUSTER)
        self._reservations.while_in_use(
            reservation, lambda: self._prepare_and_start(spec, reservation, runtime)
        )
        ledger.record("command", str(spec.uuid), provider_id=str(self._run_dir(spec.uuid)))

    def _prepare_and_start(
        self, spec: CommandSpec, reservation: Reservation, runtime: Runtime
    ) -> None:
        folder = self._run_dir(spec.uuid)
        (folder / "work").mkdir(mode=0o700, parents=True, exist_ok=True)
        allowed, refused = allowed_variables(spec.environment)
        runs.prepare(folder, self._spec(spec, reservation, runtime, refused))
        secrets: dict[str, dict[str, str]] = {"run": allowed, "": _masked_values(spec)}
        secrets["source"] = network_environment()
        if isinstance(spec.source, GitSource):
            _, username, password = address_and_credentials(spec.source)
            secrets["source"] |= {"SOURCE_USERNAME": username, "SOURCE_PASSWORD": password}
        runs.start(folder, secrets)

    def _spec(
        self, spec: CommandSpec, reservation: Reservation, runtime: Runtime, refused: list[str]
    ) -> Spec:
        name, folder = str(spec.uuid), self._run_dir(spec.uuid)
        shared = self._layout.shared(spec.cluster.workspace.uuid)
        cwd = working_folder(spec, folder, shared)
        return Spec(
            run=name,
            log=str(self._layout.log(spec.uuid)),
            state=str(self._layout.command_state(spec.uuid)),
            markers=markers(self._layout, UUID(reservation.workspace), spec.cluster.uuid, name),
            seconds=float(spec.timeout_seconds),
            log_limit=self._log_limit,
            remove=[str(folder / "work"), str(folder / "fifo")],
            stages=[
                source_stage(
                    spec,
                    folder,
                    cwd,
                    shared,
                    runtime,
                    has_private_addresses=self._has_private_addresses,
                ),
                self._run_stage(spec, folder, cwd, runtime, refused),
            ],
        )

    def _run_stage(
        self, spec: CommandSpec, folder: Path, cwd: Path, runtime: Runtime, refused: list[str]
    ) -> Stage:
        cores = spec.cluster.core_count
        hostfile = self._layout.hostfile(spec.cluster.workspace.uuid, spec.cluster.uuid)
        patterns = [f"-{kind}file-pattern={folder}/fifo/{kind}.%r" for kind in ("out", "err")]
        options = [word for pattern in patterns for word in pattern.split("=", 1)]
        words = ["python", *spec.argv]
        begin = f"Running: {shlex.join(['mpiexec', '-n', str(cores), *words])}"
        note = f"Not passed on, reserved for the platform: {', '.join(refused)}\n"
        launch = ["-f", str(hostfile), "-n", str(cores)]
        return Stage(
            name="run",
            argv=[runtime.program("mpiexec"), *launch, *options, *words],
            cwd=str(cwd),
            env=cluster_environment(self._layout, spec.cluster, runtime),
            output="ranks",
            ranks=cores,
            begin=(note if refused else "") + begin,
            is_main=True,
        )


def _was_told_long_ago(stop: Path) -> bool:
    """Or the clock was set back since; where the disk is full the file is missing."""
    try:
        seconds = time.time() - stop.stat().st_mtime
    except FileNotFoundError:
        return False
    return not 0 <= seconds <= KILL_AFTER_SECONDS


def _chunk(data: bytes, offset: int, size: int, *, is_over: bool) -> LogChunk:
    lines, end = [], offset
    for record in data.split(b"\n")[:-1]:
        end += len(record) + 1
        lines.append(parse_record(record, end))
    return LogChunk(
        lines=tuple(line for line in lines if line is not None),
        offset=offset,
        next_offset=end,
        is_complete=is_over and end >= size,
        size=size,
    )


def _masked_values(spec: CommandSpec) -> dict[str, str]:
    values = [*spec.secret_values]
    if isinstance(spec.source, GitSource):
        values.append(address_and_credentials(spec.source)[2])
    return {str(number): value for number, value in enumerate(values) if value}


def _status(look: Look) -> CommandStatus:
    state = look.state
    if state is None:
        return CommandStatus(CommandState.ABSENT)
    where = CommandState.RUNNING if state.is_main_started else CommandState.STARTING
    return CommandStatus(
        state=CommandState.EXITED if state.is_exited else where,
        exit_code=state.exit_code,
        reason=state.reason,
        message=state.message,
        source_commit=state.facts.get("commit", ""),
        started_at=state.started_at,
        finished_at=state.finished_at,
    )
