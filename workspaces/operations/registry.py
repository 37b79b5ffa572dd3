"""Which function carries out which kind of operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from workspaces.operations.ledger import Ledger

if TYPE_CHECKING:
    from workspaces.models import Operation

DEFAULT_DEADLINE_SECONDS = 900


@dataclass(frozen=True)
class Wait:
    """Not there yet: look again after ``seconds``. ``phase`` picks the deadline that applies."""

    seconds: float
    percent: int
    message: str
    phase: str = ""


@dataclass(frozen=True)
class Done:
    message: str


Outcome = Wait | Done


@dataclass(frozen=True)
class Step:
    """What a handler gets. Saves nothing on ``operation``; the engine does."""

    operation: Operation
    ledger: Ledger
    now: datetime


Handler = Callable[[Step], Outcome]
FailureHook = Callable[["Operation"], None]


@dataclass(frozen=True)
class Kind:
    """``undo`` takes away what a failed or cancelled operation left, step by step, before
    ``on_failure`` (database only, in the closing transaction) settles the target's row.
    """

    run: Handler
    undo: Handler | None = None
    on_failure: FailureHook | None = None
    deadlines: Mapping[str, int] = field(default_factory=dict)

    def deadline_seconds(self, phase: str) -> int:
        return self.deadlines.get(phase, DEFAULT_DEADLINE_SECONDS)


_kinds: dict[str, Kind] = {}


def handles(
    name: str,
    *,
    undo: Handler | None = None,
    on_failure: FailureHook | None = None,
    deadlines: Mapping[str, int] | None = None,
) -> Callable[[Handler], Handler]:
    """Register a step function for operations of kind ``name``; deadlines are in seconds."""

    def register(run: Handler) -> Handler:
        _kinds[name] = Kind(run, undo, on_failure, deadlines or {})
        return run

    return register


def kind_of(name: str) -> Kind:
    """Raises KeyError for a kind that this version of the code does not know."""
    return _kinds[name]
