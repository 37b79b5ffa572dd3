"""Where everything of the Local cloud lies below its state folder."""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID


@dataclass(frozen=True)
class Layout:
    root: Path

    def create(self) -> None:
        for folder in (
            self.root,
            self.runtimes,
            self.runs,
            self.workspaces,
            self.clusters,
            self.notebooks,
            self.logs,
        ):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def runtimes(self) -> Path:
        return self.root / "runtimes"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def workspaces(self) -> Path:
        return self.root / "workspaces"

    @property
    def clusters(self) -> Path:
        return self.root / "clusters"

    @property
    def notebooks(self) -> Path:
        return self.root / "notebooks"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def lock(self) -> Path:
        """Held for the short decisions that must not race: places, starts, removals."""
        return self.root / "lock"

    @property
    def versions(self) -> Path:
        return self.root / "versions.json"

    def run(self, name: str) -> Path:
        return self.runs / name

    def workspace(self, uuid: UUID) -> Path:
        return self.workspaces / str(uuid)

    def shared(self, workspace: UUID) -> Path:
        return self.workspace(workspace) / "shared"

    def cluster(self, uuid: UUID) -> Path:
        return self.clusters / str(uuid)

    def client_file(self, cluster: UUID) -> Path:
        """How ipyparallel's clients reach the controller; another one after every start."""
        return self.cluster(cluster) / "ipp" / "security" / "ipcontroller-client.json"

    def nodes_file(self, cluster: UUID) -> Path:
        return self.cluster(cluster) / "nodes.json"

    def packages_file(self, cluster: UUID) -> Path:
        return self.cluster(cluster) / "packages.json"

    def notebook(self, uuid: UUID) -> Path:
        return self.notebooks / str(uuid)

    def hostfile(self, workspace: UUID, cluster: UUID) -> Path:
        return self.shared(workspace) / f".hostfile-{cluster}"

    def log(self, command: UUID) -> Path:
        return self.logs / f"{command}.log"

    def command_state(self, command: UUID) -> Path:
        """Beside the log, because both outlive the run folder."""
        return self.logs / f"{command}.json"


def delete_tree(path: Path) -> None:
    """Also through folders that users' code made unreadable, and never through a link. Missing is
    fine.
    """
    if path.is_symlink():
        path.unlink(missing_ok=True)
        return
    shutil.rmtree(path, ignore_errors=True)
    if not path.exists():
        return
    open_folder(path)
    for folder, names, _ in os.walk(path):
        for name in names:
            open_folder(Path(folder, name))
    shutil.rmtree(path, ignore_errors=True)


def open_folder(path: Path) -> None:
    """Take back that its owner shut it, if that is what happened."""
    if not path.is_symlink():
        with contextlib.suppress(OSError):
            path.chmod(0o700)


def uuid_folders(parent: Path) -> list[tuple[UUID, Path]]:
    pairs = [(as_uuid(path.name), path) for path in sorted(parent.iterdir())]
    return [(uuid, path) for uuid, path in pairs if uuid is not None]


def as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
