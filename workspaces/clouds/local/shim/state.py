"""What a shim is told (``Spec``) and what it tells (``RunState``), as JSON files.

The exclusive lock on ``<run dir>/lock`` is held exactly as long as the shim lives, so a free lock
beside an unfinished state proves that the shim died without a word.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Stage:
    """One program of a run.

    ``output``: "platform" makes its output platform lines; "ranks" reads one FIFO per rank and
    stream and holds the program's own output back unless it fails; anything else is a file.
    ``reasons`` maps exit codes to reasons; others get ``reason``.
    """

    name: str
    argv: list[str]
    cwd: str
    env: dict[str, str] = field(default_factory=dict, repr=False)
    is_background: bool = False
    is_main: bool = False
    output: str = "platform"
    ranks: int = 0
    begin: str = ""
    reason: str = "NonZeroExitCode"
    reasons: dict[str, str] = field(default_factory=dict)
    seconds: float | None = None
    wait_for: str = ""


@dataclass(frozen=True)
class Spec:
    """``remove``: paths deleted at the end. ``seconds``: the whole run's time limit.
    ``log_limit``: bytes of output that are kept, so that no program fills the disk; of the end
    where ``is_log_rolling``, else of the beginning."""

    run: str
    log: str
    state: str
    markers: dict[str, str]
    stages: list[Stage]
    seconds: float | None = None
    remove: list[str] = field(default_factory=list)
    log_limit: int | None = None
    is_log_rolling: bool = False

    @classmethod
    def read(cls, path: Path) -> Spec:
        raw = json.loads(path.read_text())
        return cls(**{**raw, "stages": [Stage(**stage) for stage in raw["stages"]]})


@dataclass
class RunState:
    """Times are epoch seconds; ``facts`` is what stages found out (the commit)."""

    run: str
    boot_id: str
    pid: int
    start_ticks: int
    started_at: float
    stage: str = ""
    message: str = ""
    is_main_started: bool = False
    is_exited: bool = False
    exit_code: int | None = None
    reason: str = ""
    finished_at: float | None = None
    facts: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> RunState | None:
        try:
            return cls(**json.loads(path.read_text()))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write(self, path: Path) -> None:
        write_json(path, asdict(self))


def write_json(path: Path, content: object) -> None:
    """Replace the file whole: a reader sees the old or the new one, never a half."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(json.dumps(content, indent=1))
        draft.replace(path)
    except OSError:  # a full disk must not be filled further
        draft.unlink(missing_ok=True)
        raise


@contextmanager
def lock_file(path: Path, *, seconds: float) -> Iterator[bool]:
    """Hold an exclusive lock; yields False when another one held it all that time.

    The wait is for observers, who take the lock for an instant to learn whether it is free.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield _try_lock(fd, time.monotonic() + seconds)
    finally:
        os.close(fd)


def _try_lock(fd: int, deadline: float) -> bool:
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.02)
        else:
            return True
