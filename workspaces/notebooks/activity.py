"""What a notebook server's kernels and terminals do, asked so that the asking is no activity."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from workspaces.notebooks.probe import NoAnswer, ask

IDLE = "idle"
SECONDS = 3.0


@dataclass(frozen=True)
class Kernel:
    """``name`` is its kernelspec's; ``last_activity`` by the server's clock."""

    name: str
    is_busy: bool
    last_activity: datetime
    uuid: str = ""


@dataclass(frozen=True)
class ServerActivity:
    kernels: tuple[Kernel, ...]
    terminals: tuple[datetime, ...]

    @property
    def last_at(self) -> datetime | None:
        """The newest of all; None for a server that has neither kernel nor terminal."""
        times = [kernel.last_activity for kernel in self.kernels]
        return max([*times, *self.terminals], default=None)

    @property
    def is_busy(self) -> bool:
        return any(kernel.is_busy for kernel in self.kernels)


def look(address: str, token: str) -> ServerActivity:
    """Raises NoAnswer when the server does not answer, or not as Jupyter does."""
    kernels = ask(address, token, "/api/kernels", timeout=SECONDS)
    terminals = ask(address, token, "/api/terminals", timeout=SECONDS)
    try:
        return ServerActivity(
            tuple(_kernel(row) for row in kernels),
            tuple(_time(row["last_activity"]) for row in terminals),
        )
    except (TypeError, KeyError, ValueError) as error:
        raise NoAnswer("The notebook server answered something else than Jupyter's.") from error


def _kernel(row: dict[str, Any]) -> Kernel:
    """Whatever is not plainly idle counts as busy: starting, restarting, what comes later."""
    is_busy = row.get("execution_state") != IDLE
    return Kernel(str(row["name"]), is_busy, _time(row["last_activity"]), str(row["id"]))


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
