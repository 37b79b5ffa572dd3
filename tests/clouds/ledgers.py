"""A ledger in memory, which holds drivers to the order announce, record, removed, confirm_gone."""

from __future__ import annotations

from collections.abc import Sequence

from workspaces.clouds.base import Level


class MemoryLedger:
    def __init__(self) -> None:
        self.entries: dict[tuple[str, str], str] = {}
        self.history: list[tuple[str, str, str]] = []
        self.is_superseded = False

    def announce(self, kind: str, name: str, *, level: Level) -> None:
        if self.is_superseded:
            raise RuntimeError("superseded")
        self._note("announce", kind, name)
        self.entries.setdefault((kind, name), "announced")

    def record(self, kind: str, name: str, *, provider_id: str) -> None:
        assert (kind, name) in self.entries, "recorded without an announcement"
        assert provider_id
        self._note("record", kind, name)
        self.entries[kind, name] = "recorded"

    def removed(self, kind: str, name: str) -> None:
        assert (kind, name) in self.entries
        self._note("removed", kind, name)
        self.entries[kind, name] = "removed"

    def confirm_gone(self, kind: str, name: str) -> None:
        assert self.entries[kind, name] in ("removed", "gone"), "gone before its removal"
        self._note("confirm_gone", kind, name)
        self.entries[kind, name] = "gone"

    def open_resources(self) -> Sequence[tuple[str, str]]:
        return [key for key, state in reversed(self.entries.items()) if state != "gone"]

    def _note(self, what: str, kind: str, name: str) -> None:
        self.history.append((what, kind, name))
