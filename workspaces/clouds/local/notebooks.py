"""Notebook servers on this machine: install, start, look, stop, remove."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

from workspaces.clouds.base import CloudError, Level, Progress, ResourceLedger
from workspaces.clouds.local import lab, processes, runs
from workspaces.clouds.local.clusters import plural, receipt
from workspaces.clouds.local.environment import Runtime
from workspaces.clouds.local.layout import Layout, delete_tree
from workspaces.clouds.local.packages import pip_environment
from workspaces.clouds.local.reservations import LOCK_SECONDS, require
from workspaces.clouds.local.runtimes import Runtimes
from workspaces.clouds.local.servers import Server, Servers
from workspaces.clouds.local.shim.space import unless_full
from workspaces.clouds.local.shim.state import lock_file
from workspaces.clouds.servers import NotebookPhase, NotebookSpec, NotebookStatus

END_SECONDS = 3.5
KILL_SECONDS = 1.0


class Notebooks:
    def __init__(self, layout: Layout, runtimes: Runtimes) -> None:
        self._layout = layout
        self._runtimes = runtimes
        self.servers = Servers(layout)

    def begin_install(self) -> None:
        """So that the first server of a workspace need not wait. A failure is told to that one."""
        with suppress(CloudError):
            self._runtimes.ensure_lab(asked_at=0)

    def ensure(self, spec: NotebookSpec, ledger: ResourceLedger) -> NotebookStatus:
        server = self._claim(spec, ledger)
        if lab.look(self._layout, server).state is None:
            runtime = self._runtimes.ensure_lab(asked_at=server.asked_at)
            if isinstance(runtime, Progress):
                percent = runtime.percent * 40 // 100
                return NotebookStatus(NotebookPhase.RUNTIME, percent, runtime.message)
            self._start(spec, server, runtime, ledger)
        return lab.status(self._layout, server)

    def _claim(self, spec: NotebookSpec, ledger: ResourceLedger) -> Server:
        found = self.servers.find(spec.uuid)
        if found is not None and found.is_wanted:
            return found
        ledger.announce("folder", folder_name(spec.uuid), level=Level.NOTEBOOK)
        server = self.servers.claim(spec)
        path = str(self._layout.notebook(spec.uuid))
        ledger.record("folder", folder_name(spec.uuid), provider_id=path)
        return server

    def _start(
        self, spec: NotebookSpec, server: Server, runtime: Runtime, ledger: ResourceLedger
    ) -> None:
        ledger.announce("server", lab.run_name(server), level=Level.NOTEBOOK)
        self.servers.while_wanted(server, lambda: self._prepare_and_start(spec, server, runtime))
        folder = lab.run_dir(self._layout, server)
        ledger.record("server", lab.run_name(server), provider_id=str(folder))

    def _prepare_and_start(self, spec: NotebookSpec, server: Server, runtime: Runtime) -> None:
        current = lab.run_dir(self._layout, server)
        for folder in lab.runs_of(self._layout, spec.uuid):
            if folder != current:
                delete_tree(folder)
        lab.prepare(self._layout, spec, server, runtime)
        # Kernels reach the package index as this machine does, though their home is another.
        environment = {**pip_environment(), "JUPYTER_TOKEN": spec.token}
        secrets = {lab.STAGE: environment, "": {"token": spec.token}}
        runs.start(current, secrets)

    def observe(self, uuids: Sequence[UUID]) -> dict[UUID, NotebookStatus]:
        return {uuid: self._observe(uuid) for uuid in uuids}

    def _observe(self, uuid: UUID) -> NotebookStatus:
        found = self.servers.find(uuid)
        if found is None or not found.is_wanted:
            return NotebookStatus(NotebookPhase.ABSENT)
        if lab.look(self._layout, found).state is None and not self._runtimes.find_lab():
            return NotebookStatus(NotebookPhase.RUNTIME, 1, "JupyterLab is not installed yet")
        return lab.status(self._layout, found)

    def stop(self, spec: NotebookSpec) -> Progress:
        """The files stay; the next ``ensure`` is a new generation."""
        self.servers.change(spec.uuid, is_stopped=True)
        ended, left = self._end_processes(spec.uuid)
        if left:
            return _unfinished(ended, left)
        return Progress(True, 100, f"Stopped {plural(ended, 'process', 'processes')}")

    def remove(self, spec: NotebookSpec, ledger: ResourceLedger) -> Progress:
        """Works from whatever is there: record, folder, runs or bare processes."""
        with unless_full():  # removing is what makes room
            self.servers.change(spec.uuid, is_removing=True)
        for kind, name in _open(spec.uuid, ledger):
            ledger.removed(kind, name)
        ended, left = self._end_processes(spec.uuid)
        found = self.servers.find(spec.uuid)
        before = found.ended_processes if found else 0
        if left:
            with unless_full():
                self.servers.change(spec.uuid, ended_processes=before + ended - left)
            return _unfinished(ended, left)
        folders = self._delete_folders(spec.uuid)
        if not self._is_gone(spec.uuid):
            return Progress(False, 90, "Some files could not be removed yet")
        for kind, name in _open(spec.uuid, ledger):
            ledger.confirm_gone(kind, name)
        return Progress(True, 100, receipt(before + ended, folders))

    def remove_leftovers(self, workspace: UUID) -> None:
        """Of servers that nobody removed before their workspace. Their processes have ended."""
        for server in self.servers.of_workspace(workspace):
            self._delete_folders(UUID(server.uuid))

    def _end_processes(self, notebook: UUID) -> tuple[int, int]:
        """(how many were alive, how many still are): asked first, killed after a grace.

        Kernels and terminals carry the server's marker and end with it.
        """
        alive = processes.marked("BODO_NOTEBOOK", str(notebook))
        folders = lab.runs_of(self._layout, notebook)
        for folder in folders:
            runs.tell_to_end(folder, folder / "state.json", reason="Cancelled")
        if not alive:
            return 0, 0
        deadline = time.monotonic() + END_SECONDS
        while time.monotonic() < deadline:
            if not any(runs.look(folder, folder / "state.json").is_alive for folder in folders):
                break
            time.sleep(0.03)
        left = processes.sweep("BODO_NOTEBOOK", str(notebook), seconds=KILL_SECONDS)
        return len(alive), len(left)

    def _delete_folders(self, notebook: UUID) -> int:
        """Runs first and the record last, so a crash in between is found again."""
        for folder in lab.runs_of(self._layout, notebook):
            delete_tree(folder)
        folder = self._layout.notebook(notebook)
        had_folder = folder.exists()
        with lock_file(self._layout.lock, seconds=LOCK_SECONDS) as is_ours:
            require(is_ours)
            delete_tree(folder)
        return int(had_folder)

    def _is_gone(self, notebook: UUID) -> bool:
        """A fresh look, not what we believe to have done (F088)."""
        return not (
            processes.marked("BODO_NOTEBOOK", str(notebook))
            or self._layout.notebook(notebook).exists()
            or lab.runs_of(self._layout, notebook)
        )


def folder_name(notebook: UUID) -> str:
    return f"notebook-{notebook}"


def _unfinished(ended: int, left: int) -> Progress:
    gone = f"{ended - left} of {plural(ended, 'process', 'processes')}"
    return Progress(False, 50, f"Ended {gone}")


def _open(notebook: UUID, ledger: ResourceLedger) -> list[tuple[str, str]]:
    return [(kind, name) for kind, name in ledger.open_resources() if str(notebook) in name]
