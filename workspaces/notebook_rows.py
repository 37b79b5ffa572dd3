"""Notebook servers as the pages show them: with rights, clusters, addresses and what comes next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from accounts.models import User
from workspaces.guards import cluster_names
from workspaces.models import Notebook
from workspaces.notebook_idle import idle_minutes, pauses_at
from workspaces.notebook_rights import may_change, may_open, without_right
from workspaces.notebooks.addresses import origin_of


@dataclass(frozen=True)
class NotebookRow:
    """``is_orphaned``: nobody may open it any more. ``node_ip`` is empty where there is none."""

    notebook: Notebook
    clusters: str
    origin: str
    node_ip: str
    pauses_at: datetime | None
    idle_minutes: int
    may_open: bool
    may_change: bool
    is_orphaned: bool

    @property
    def verbs(self) -> list[str]:
        """Those that may be asked for now; one that nobody may open is not started."""
        return [
            verb
            for verb in self.notebook.verbs
            if self.may_change and (verb == "pause" or not self.is_orphaned)
        ]

    @property
    def reset_id(self) -> str:
        """Of the question before a reset, on the page."""
        return f"reset-{self.notebook.uuid}"

    @property
    def is_removable(self) -> bool:
        gone = (Notebook.State.TERMINATING, Notebook.State.TERMINATED)
        return self.may_change and self.notebook.state not in gone

    @property
    def percent(self) -> int:
        return getattr(self.notebook, "operation_percent", None) or 0

    @property
    def message(self) -> str:
        return getattr(self.notebook, "operation_message", None) or "Waiting for a worker"


def notebook_rows(notebooks: Iterable[Notebook], *, user: User, role: str) -> list[NotebookRow]:
    """``notebooks`` with owner, workspace and their latest operation; four queries for all."""
    rows = list(notebooks)
    names = cluster_names(rows)
    orphans = {row.pk for row in without_right(rows)}
    return [
        NotebookRow(
            notebook=row,
            clusters=names.get(row.uuid, ""),
            origin=origin_of(row.uuid),
            node_ip=_node_ip(row.address),
            pauses_at=pauses_at(row),
            idle_minutes=idle_minutes(row),
            may_open=may_open(user, role, row),
            may_change=may_change(user, role, row),
            is_orphaned=row.pk in orphans,
        )
        for row in rows
    ]


def _node_ip(address: str) -> str:
    """Of "http://host:port"; a server on a socket of this machine has none."""
    return (urlsplit(address).hostname or "") if address.startswith("http") else ""
