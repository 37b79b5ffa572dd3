"""What all modules share: the settings, one lock, the timeline, and what to forget on a reset."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from tests.clouds.aws.timeline import Timeline


@dataclass(frozen=True)
class Settings:
    """How the account behaves. Seconds are short: the order is what matters, not the wait.

    ``POST /_settings`` changes some of them until the next ``POST /_reset``.
    """

    pending_seconds: float = 0.2
    stopping_seconds: float = 0.2
    shutting_down_seconds: float = 0.2
    terminated_seconds: float = 3600  # until a terminated instance is no longer listed
    nat_gateway_seconds: float = 0.1
    file_system_seconds: float = 0.1
    # Eventual consistency: what was created is not found, what was deleted is still listed, for
    # a time between a half and the whole of this, drawn with the seed.
    lag_seconds: float = 0
    iam_lag_seconds: float = 0
    invocation_lag_seconds: float = 0
    lag_seed: int = 1
    # Quota code -> value, over what quotas.py gives. [{"instance_type", "zone", "instances"}].
    run_nodes: bool = False  # user data that is a script runs, on this machine (nodes.py)
    enforce_iam: bool = False  # every caller needs a known key and a policy that allows the call
    quotas: dict[str, float] = field(default_factory=dict)
    capacity: list[dict[str, Any]] = field(default_factory=list)


class World:
    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.timeline = Timeline(self.lock)
        self.settings = self.initial_settings = Settings()
        self.endpoint = ""
        self.nodes_folder = Path("/nonexistent")
        self._on_reset: list[Callable[[], None]] = []

    def on_reset(self, forget: Callable[[], None]) -> Callable[[], None]:
        self._on_reset.append(forget)
        return forget

    def change(self, wanted: Mapping[str, Any]) -> None:
        """:raises KeyError: a setting of that name does not exist."""
        known = {one.name for one in fields(Settings)}
        if unknown := set(wanted) - known:
            raise KeyError(f"no setting {', '.join(sorted(unknown))}; there are {sorted(known)}")
        self.settings = replace(self.settings, **wanted)

    def shown(self) -> dict[str, Any]:
        return asdict(self.settings)

    def reset(self) -> None:
        with self.lock:
            self.timeline.clear()
            for forget in self._on_reset:
                forget()
            self.settings = self.initial_settings


world = World()
