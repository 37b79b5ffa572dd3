"""Commands and their logs, as the platform and a provider speak of them; see ``base.Cloud``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from workspaces.clouds.base import ClusterSpec


@dataclass(frozen=True)
class GitSource:
    """``reference``: branch, tag or full commit; empty means the default branch.

    ``password`` may be an access token; neither reaches argv, a file or a log.
    """

    url: str
    reference: str = ""
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)


@dataclass(frozen=True)
class WorkspaceSource:
    """A folder of the workspace's shared tree, where the command runs and may leave files.

    ``path`` is relative to the tree; empty is its top. Neither ``..`` nor a link leads out.
    """

    path: str


@dataclass(frozen=True)
class CommandSpec:
    """One run of ``mpiexec -n <CORE_COUNT> python <argv...>`` on a cluster (F162).

    ``argv`` goes after ``python`` as it is, never through a shell. The working directory is the
    clone of ``source``, or its folder. ``environment`` may hold secrets: it never reaches argv or a
    log. ``secret_values`` are masked in the log.
    """

    uuid: UUID
    cluster: ClusterSpec
    argv: tuple[str, ...]
    source: GitSource | WorkspaceSource | None
    timeout_seconds: int
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    secret_values: tuple[str, ...] = field(default=(), repr=False)


class CommandState(StrEnum):
    ABSENT = "absent"
    STARTING = "starting"  # accepted; the source is being fetched
    RUNNING = "running"
    EXITED = "exited"


@dataclass(frozen=True)
class CommandStatus:
    """``reason`` of an EXITED command: "" for exit code 0, else one of SourceNotFound,
    SourceAuth, BadReference, NoSuchScript, NonZeroExitCode, OutOfMemory (only where it is known),
    Timeout, Cancelled, NodeLost, Lost.
    Times are epoch seconds; ``message`` is one sentence for the user.
    """

    state: CommandState
    exit_code: int | None = None
    reason: str = ""
    message: str = ""
    source_commit: str = ""
    started_at: float | None = None
    finished_at: float | None = None


@dataclass(frozen=True)
class LogChunk:
    """Whole lines from byte ``offset`` on; ask again from ``next_offset``.

    ``is_complete``: the writer is gone and ``next_offset`` is the end. ``size``: bytes there are.
    """

    lines: tuple[LogLine, ...]
    offset: int
    next_offset: int
    is_complete: bool
    size: int = 0


@dataclass(frozen=True)
class LogLine:
    """``rank`` is None for lines of the platform itself (fetch, launcher, end).

    ``stream`` is "stdout", "stderr" or "platform"; ``at`` is in epoch seconds; the next line
    begins at byte ``end`` of the log.
    """

    at: float
    rank: int | None
    stream: str
    text: str
    end: int = 0


@dataclass(frozen=True)
class LogFailure:
    """A rank that an exception ended: where its traceback begins in the log, and its last line."""

    rank: int
    offset: int
    line: str
