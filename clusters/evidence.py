"""What is known about the use of a cluster: one look, put together from every source (F108).

A cluster is idle only if nothing says otherwise. A look that failed counts as busy, and is told.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from workspaces.clouds.base import Signal
from workspaces.notebooks.activity import ServerActivity

KERNEL_PREFIX = "bodo-"


@dataclass(frozen=True)
class Sign:
    """One line of "why it is (not) going to pause".

    ``at``: the last use that this source knows of by itself; None where it only sees the present.
    """

    name: str
    source: str
    is_busy: bool | None
    detail: str
    at: datetime | None = None


def kernel_name(cluster: UUID) -> str:
    """How its kernels are named in every server; what a provider answers when asked to attach."""
    return f"{KERNEL_PREFIX}{cluster}"


def signs_of_cloud(signals: Iterable[Signal]) -> list[Sign]:
    return [Sign(signal.name, "", signal.is_busy, signal.detail) for signal in signals]


def signs_of_notebook(
    notebook: UUID, name: str, clusters: Iterable[UUID], activity: ServerActivity | None
) -> dict[UUID, Sign]:
    """Of each attached cluster, what its kernels on this server do; ``activity`` None: the
    server did not answer, so its kernels may be busy.
    """
    found = {}
    for cluster in clusters:
        if activity is None:
            found[cluster] = Sign("kernel", str(notebook), None, f"{name} does not answer")
            continue
        kernels = [k for k in activity.kernels if k.name == kernel_name(cluster)]
        last = max((kernel.last_activity for kernel in kernels), default=None)
        busy = sum(kernel.is_busy for kernel in kernels)
        told = _told(name, len(kernels), busy)
        found[cluster] = Sign("kernel", str(notebook), busy > 0, told, last)
    return found


def _told(name: str, kernels: int, busy: int) -> str:
    if not kernels:
        return f"{name} has no kernel on it"
    if kernels == 1:
        return f"The kernel of {name} {'computes' if busy else 'rests'}"
    return f"{busy or 'None'} of {kernels} kernels of {name} compute{'s' if busy == 1 else ''}"


def last_use(signs: Iterable[Sign], now: datetime) -> datetime | None:
    """The newest use that these signs prove, never after ``now``; None when they prove none.

    Whatever is busy, or can not be known, is in use now.
    """
    signs = list(signs)
    if any(sign.is_busy is not False for sign in signs):
        return now
    return max((min(sign.at, now) for sign in signs if sign.at), default=None)
