"""Where to start when a query ran on a Snowflake warehouse before (F118, F119)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workspaces.clouds.base import InstanceType

# Physical cores of the documented instance types, to find the nearest one elsewhere.
_CORES = {"c5n.2xlarge": 4, "r5n.4xlarge": 8, "r5n.8xlarge": 16, "r5n.24xlarge": 48}


@dataclass(frozen=True)
class Recommendation:
    warehouse_size: str
    node_count: int
    instance_type: str

    @property
    def spec(self) -> str:
        return f"{self.node_count} x {self.instance_type}"


RECOMMENDATIONS = (
    Recommendation("XS", 1, "c5n.2xlarge"),
    Recommendation("S", 1, "r5n.4xlarge"),
    Recommendation("M", 1, "r5n.8xlarge"),
    Recommendation("L", 1, "r5n.24xlarge"),
    Recommendation("XL", 2, "r5n.24xlarge"),
    Recommendation("2XL", 5, "r5n.24xlarge"),
)


@dataclass(frozen=True)
class Suggestion:
    """A row of the table with what it means here; ``is_exact`` when the type itself is offered."""

    recommendation: Recommendation
    instance_type: str
    is_exact: bool


def suggestions(offered: Sequence[InstanceType]) -> list[Suggestion]:
    """The six rows against what the provider offers; empty when it offers nothing."""
    if not offered:
        return []
    names = {kind.name for kind in offered}
    rows = []
    for row in RECOMMENDATIONS:
        is_exact = row.instance_type in names
        nearest = _nearest(row.instance_type, offered)
        rows.append(Suggestion(row, row.instance_type if is_exact else nearest, is_exact))
    return rows


def _nearest(documented: str, offered: Sequence[InstanceType]) -> str:
    wanted = _CORES[documented]
    return min(offered, key=lambda kind: (abs(kind.cores - wanted), -kind.memory_mib)).name
