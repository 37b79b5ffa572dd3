"""Notebook servers, as the platform and a provider speak of them; see ``base.Cloud``."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from workspaces.clouds.base import CloudError, InstanceType, WorkspaceSpec


@dataclass(frozen=True)
class NotebookSpec:
    """One JupyterLab server, on a node of its own that is never in a hostfile (F035).

    ``token`` is what the proxy shows to it; it reaches no argv, log or page.
    """

    uuid: UUID
    workspace: WorkspaceSpec
    instance_type: InstanceType
    token: str = field(repr=False)


class NotebookPhase(StrEnum):
    ABSENT = "absent"
    RUNTIME = "runtime"  # JupyterLab is being installed
    NODE = "node"  # the machine and the server are being started
    UP = "up"  # the server runs; whether it answers is for the platform to probe (F038)
    FAILED = "failed"


@dataclass(frozen=True)
class NotebookStatus:
    """What a look at the server shows now.

    ``address`` of one that is UP: "unix:/path/of/socket" or "http://host:port".
    ``last_seen_at``: epoch seconds of the last sign of life of one found FAILED.
    """

    phase: NotebookPhase
    percent: int = 0
    message: str = ""
    address: str = ""
    error: CloudError | None = None
    last_seen_at: float | None = None
