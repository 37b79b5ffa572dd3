"""What is known of each notebook server: one notebook.json per server, changed under one lock."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from uuid import UUID

from workspaces.clouds.base import CloudError
from workspaces.clouds.local.layout import Layout, uuid_folders
from workspaces.clouds.local.reservations import LOCK_SECONDS, require
from workspaces.clouds.local.shim.state import lock_file, write_json
from workspaces.clouds.servers import NotebookSpec


@dataclass(frozen=True)
class Server:
    """``generation`` grows with every fresh start; ``asked_at``: when that start was asked for."""

    uuid: str
    workspace: str
    generation: int
    asked_at: float
    is_stopped: bool = False
    is_removing: bool = False
    ended_processes: int = 0

    @property
    def is_wanted(self) -> bool:
        return not self.is_stopped and not self.is_removing


class Servers:
    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def find(self, notebook: UUID) -> Server | None:
        try:
            text = (self._layout.notebook(notebook) / "notebook.json").read_text()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return Server(**json.loads(text))

    def of_workspace(self, workspace: UUID) -> list[Server]:
        found = (self.find(uuid) for uuid, _ in uuid_folders(self._layout.notebooks))
        return [server for server in found if server and server.workspace == str(workspace)]

    def claim(self, spec: NotebookSpec) -> Server:
        """Find or make; a stopped one becomes a new generation."""
        with lock_file(self._layout.lock, seconds=LOCK_SECONDS) as is_ours:
            require(is_ours)
            found = self.find(spec.uuid)
            if found is not None and found.is_removing:
                raise CloudError("Removed", "This notebook is being removed.")
            if found is not None and not found.is_stopped:
                return found
            generation = found.generation + 1 if found else 1
            workspace = str(spec.workspace.uuid)
            return self._write(Server(str(spec.uuid), workspace, generation, time.time()))

    def change(self, notebook: UUID, **changes: object) -> Server | None:
        with lock_file(self._layout.lock, seconds=LOCK_SECONDS) as is_ours:
            require(is_ours)
            found = self.find(notebook)
            return self._write(replace(found, **changes)) if found else None  # type: ignore[arg-type] # field values

    def while_wanted(self, server: Server, act: Callable[[], None]) -> None:
        """Run ``act`` unless the server was stopped, removed or started afresh meanwhile."""
        with lock_file(self._layout.lock, seconds=LOCK_SECONDS) as is_ours:
            require(is_ours)
            found = self.find(UUID(server.uuid))
            if found is None or not found.is_wanted:
                raise CloudError("Removed", "This notebook was stopped or removed meanwhile.")
            if found.generation == server.generation:
                act()

    def _write(self, server: Server) -> Server:
        folder = self._layout.notebook(UUID(server.uuid))
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_json(folder / "notebook.json", asdict(server))
        return server
