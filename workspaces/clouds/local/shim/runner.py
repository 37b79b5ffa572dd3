"""The life of one run: stages one after another, then the end, always written down."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

from workspaces.clouds.local import processes
from workspaces.clouds.local.shim import memory
from workspaces.clouds.local.shim.children import Children
from workspaces.clouds.local.shim.logfile import LogWriter
from workspaces.clouds.local.shim.space import SENTENCE, is_full
from workspaces.clouds.local.shim.state import RunState, Spec, Stage
from workspaces.clouds.local.shim.streams import Pump

TICK_SECONDS = 1.0
HEARTBEAT_SECONDS = 5.0
ROOM_SECONDS = 1.0  # between two tries to write to a full disk
OUTPUT_BYTES = 16 * 1024 * 1024  # of a service that writes to a file of its own


class EndOfRun(Exception):  # noqa: N818 - an end is not always an error
    """Why no further stage is started."""

    def __init__(self, reason: str, message: str, exit_code: int | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.exit_code = exit_code


class Runner:
    def __init__(self, run_dir: Path, spec: Spec, secrets: dict[str, dict[str, str]]) -> None:
        self._dir = run_dir
        self._spec = spec
        self._secrets = secrets
        self._log = LogWriter(Path(spec.log), limit=spec.log_limit, is_rolling=spec.is_log_rolling)
        self._pump = Pump(self._log, secret_lines(secrets.pop("", {})))
        self._children = Children()
        self._is_told_to_end = False
        self._started = time.monotonic()
        self._heartbeat_at = 0.0
        self._looked_at = self._started
        self._leftovers: list[processes.Process] = []
        self._kills_before = memory.kills()
        self._is_told = True  # our state, to the file
        me = processes.look_up(os.getpid())
        self._state = RunState(
            run=spec.run,
            boot_id=processes.boot_id(),
            pid=os.getpid(),
            start_ticks=me.start_ticks if me else 0,
            started_at=time.time(),
        )

    def run(self) -> None:
        self._catch_signals()
        if not self._write_state():
            return  # nothing was started, and whoever starts us again finds it so
        try:
            end = self._run_stages()
        except EndOfRun as early:
            end = early
        except (OSError, ValueError) as problem:  # the run folder was deleted by hand
            end = EndOfRun("Lost", f"The run could not go on: {problem}")
            if isinstance(problem, OSError) and is_full(problem):
                end = EndOfRun("NoSpace", f"The run could not go on: {SENTENCE}")
        self._finish(end)

    def _run_stages(self) -> EndOfRun:
        exit_code = 0
        for stage in self._spec.stages:
            self._wait_for_file(stage)
            self._check_stop()
            self._start(stage)
            if not stage.is_background:
                exit_code = self._wait_for_end(stage)
        while self._children.ended_service() is None and self._has_services():
            self._wait()
        return EndOfRun("", "Ended with exit code 0", exit_code)

    def _has_services(self) -> bool:
        return any(stage.is_background for stage in self._spec.stages)

    def _wait_for_file(self, stage: Stage) -> None:
        deadline = time.monotonic() + (stage.seconds or 60)
        while stage.wait_for and not Path(stage.wait_for).exists():
            if time.monotonic() > deadline:
                name = Path(stage.wait_for).name
                raise EndOfRun(stage.reason, f"{stage.name}: {name} did not appear in time")
            self._wait(0.02)

    def _start(self, stage: Stage) -> None:
        if stage.begin:
            self._log.platform(stage.begin)
        self._state.stage = stage.name
        self._state.is_main_started = self._state.is_main_started or stage.is_main
        self._write_state()
        if stage.output == "ranks":
            self._pump.open_rank_fifos(self._dir / "fifo", stage.ranks)
        output = self._open_output(stage)
        env = {**stage.env, **self._secrets.pop(stage.name, {}), **self._spec.markers}
        try:
            self._children.start(stage, env, output)
        except OSError as problem:
            raise EndOfRun(
                stage.reason, f"{stage.argv[0]} could not be started: {problem}"
            ) from None
        finally:
            os.close(output)

    def _open_output(self, stage: Stage) -> int:
        if stage.output in ("platform", "ranks"):
            return self._pump.open_pipe(is_held=stage.output == "ranks")
        return os.open(stage.output, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def _wait_for_end(self, stage: Stage) -> int:
        deadline = time.monotonic() + stage.seconds if stage.seconds else None
        while self._children.is_running(stage):
            self._wait()
            if stage.output == "ranks":
                self._end_leftovers()
            if deadline and time.monotonic() > deadline:
                raise EndOfRun(stage.reason, f"{stage.name} took more than {stage.seconds:g} s")
        exit_code = self._children.exit_codes[stage.name]
        self._pump.drain(show_held=exit_code != 0)
        self._merge_facts()
        if exit_code:
            reason = stage.reasons.get(str(exit_code), stage.reason)
            told = self._pump.rank_signal
            if told == signal.SIGKILL and self._has_lacked_memory():
                words = "The kernel ended a process because memory ran out"
                raise EndOfRun("OutOfMemory", words, told)
            raise EndOfRun(reason, self._failure_message(stage, exit_code), told or exit_code)
        return exit_code

    def _has_lacked_memory(self) -> bool:
        """The kernel's count rose during this run, and it is a kill that we look at."""
        now = memory.kills()
        return now is not None and self._kills_before is not None and now > self._kills_before

    def _failure_message(self, stage: Stage, exit_code: int) -> str:
        if stage.output == "platform" and self._pump.last_line:
            return self._pump.last_line.decode(errors="replace")
        if self._pump.rank_signal:
            name = signal.strsignal(self._pump.rank_signal)
            return f"A process was ended by signal {self._pump.rank_signal} ({name})"
        return f"Ended with exit code {exit_code}"

    def _end_leftovers(self) -> None:
        """Looks at most once a second; what is still left at the second look is killed."""
        now = time.monotonic()
        if now - self._looked_at < TICK_SECONDS:
            return
        self._looked_at = now
        leftovers = self._children.leftovers_of_ranks()
        for process in leftovers:
            if process in self._leftovers:
                processes.send(process, signal.SIGKILL)
        self._leftovers = leftovers

    def _wait(self, seconds: float = TICK_SECONDS) -> None:
        """One turn of the loop: output, ended children, the order to end, time limits."""
        self._pump.run(seconds)
        self._children.reap()
        self._beat()
        self._cut_outputs()
        self._check_stop()
        service = self._children.ended_service()
        if service is not None:
            code = self._children.exit_codes[service.name]
            raise EndOfRun("ServiceEnded", f"{service.name} ended with exit code {code}", code)

    def _check_stop(self) -> None:
        stop = self._dir / "stop"
        if self._is_told_to_end or stop.exists():
            reason = json.loads(stop.read_text())["reason"] if stop.exists() else "Cancelled"
            raise EndOfRun(reason, "Ended on request")
        limit = self._spec.seconds
        if limit and time.monotonic() - self._started > limit:
            raise EndOfRun("Timeout", f"Ended after the time limit of {limit:g} seconds")

    def _beat(self) -> None:
        """The lock file's time is the last sign of life, for when the machine goes down."""
        if time.monotonic() - self._heartbeat_at > HEARTBEAT_SECONDS:
            self._heartbeat_at = time.monotonic()
            os.utime(self._dir / "lock")
            if not self._is_told:
                self._write_state()

    def _cut_outputs(self) -> None:
        """Of services, which may run for months: each file begins anew past OUTPUT_BYTES."""
        for stage in self._spec.stages:
            if stage.is_background and stage.output not in ("platform", "ranks"):
                with contextlib.suppress(FileNotFoundError):
                    if Path(stage.output).stat().st_size > OUTPUT_BYTES:
                        os.truncate(stage.output, 0)

    def _finish(self, end: EndOfRun) -> None:
        self._children.end_all(self._pump_and_reap)
        self._pump.drain(show_held=bool(end.reason))
        for path in self._spec.remove:
            shutil.rmtree(path, ignore_errors=True)
        if end.message.encode() != self._pump.last_line:
            self._log.platform(end.message)
        self._insist(self._log.catch_up)
        self._log.close()
        self._state.is_exited = True
        self._state.exit_code = end.exit_code
        self._state.reason = end.reason
        self._state.message = end.message
        # Not by the clock, which may have been set meanwhile: the meter may end with us.
        self._state.finished_at = self._state.started_at + time.monotonic() - self._started
        self._insist(self._write_state)

    def _insist(self, write: Callable[[], bool]) -> None:
        """Until there is room: how a run ended is told only once, and by nobody else."""
        while not write():
            self._pump.run(ROOM_SECONDS)

    def _pump_and_reap(self, seconds: float) -> None:
        self._pump.run(seconds)
        self._children.reap()

    def _merge_facts(self) -> None:
        facts = self._dir / "facts.json"
        if facts.exists():
            self._state.facts = json.loads(facts.read_text())
            self._write_state()

    def _write_state(self) -> bool:
        """False while the disk is full; the next turn of the loop tries again."""
        try:
            self._state.write(Path(self._spec.state))
        except OSError as error:
            if not is_full(error):
                raise
            self._is_told = False
        else:
            self._is_told = True
        return self._is_told

    def _catch_signals(self) -> None:
        reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._tell_to_end)
        self._pump.watch_signals(reading)

    def _tell_to_end(self, *_: object) -> None:
        self._is_told_to_end = True


def secret_lines(secrets: dict[str, str]) -> list[bytes]:
    """Each line of each secret by itself: the log is masked line by line."""
    return [line.encode() for secret in secrets.values() for line in secret.splitlines()]
