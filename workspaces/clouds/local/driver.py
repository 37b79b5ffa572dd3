"""The Local cloud: clusters, jobs and notebooks as processes of this machine.

Everything lives below one state folder and in processes that carry our markers, so any process
of the platform, before or after a restart, finds it all again by looking.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import UUID

from workspaces.clouds.base import (
    BodoVersion,
    Check,
    CloudError,
    ClusterSpec,
    ClusterStatus,
    InstanceType,
    Level,
    Progress,
    Region,
    RemoteResource,
    ResourceLedger,
    Signal,
    WorkspaceSpec,
)
from workspaces.clouds.commands import CommandSpec, CommandStatus, LogChunk, LogFailure
from workspaces.clouds.local import connection, processes
from workspaces.clouds.local.activity import Activity
from workspaces.clouds.local.clusters import Clusters, folder_name
from workspaces.clouds.local.commands import Commands
from workspaces.clouds.local.ending import end_all
from workspaces.clouds.local.environment import activate_path
from workspaces.clouds.local.files import LocalFiles
from workspaces.clouds.local.kernels import Kernels
from workspaces.clouds.local.layout import Layout, as_uuid, delete_tree, uuid_folders
from workspaces.clouds.local.machine import (
    NO_ISOLATION,
    SAME_HOST_NAME,
    Machine,
    counted,
    has_own_host_names,
)
from workspaces.clouds.local.notebooks import Notebooks
from workspaces.clouds.local.notebooks import folder_name as notebook_name
from workspaces.clouds.local.runs import told_of_full_disk
from workspaces.clouds.local.runtimes import LAB_VERSION, Runtimes
from workspaces.clouds.nodekit.kernel.bodo_magics import record
from workspaces.clouds.servers import NotebookSpec, NotebookStatus

REGION = Region("local", "This machine")


class LocalCloud:
    """Settings: ``root`` (state folder, required), ``python``, ``version_count``, ``overcommit``,
    ``uv_cache``, ``log_mib`` (what is kept of one command's output), ``shared_quota_mib`` (0 is
    none), ``git_private_addresses`` (may jobs be fetched from this machine and private networks?
    yes unless told otherwise); ``cores`` and ``memory_mib`` pretend another machine."""

    def __init__(self, settings: Mapping[str, object]) -> None:
        self._layout = Layout(Path(str(settings["root"])).resolve())
        self._layout.create()
        self._machine = Machine.from_settings(settings)
        self._runtimes = Runtimes(self._layout, settings)
        self._clusters = Clusters(self._layout, self._machine, self._runtimes)
        reservations = self._clusters.reservations
        self._commands = Commands(self._layout, reservations, self._runtimes, settings)
        self._notebooks = Notebooks(self._layout, self._runtimes)
        servers = self._notebooks.servers
        self._kernels = Kernels(self._layout, servers, reservations, self._runtimes)
        self._quota_bytes = int(str(settings.get("shared_quota_mib") or 0)) * 2**20

    def validate(self) -> list[Check]:
        is_linux = sys.platform == "linux"
        git = shutil.which("git", path="/usr/local/bin:/usr/bin:/bin")
        is_writable = os.access(self._layout.root, os.W_OK)
        machine = (
            f"{counted(self._machine.cores, 'core')}, {counted(self._machine.places, 'place')}"
        )
        return [
            Check("Linux", is_linux, machine if is_linux else "The Local cloud needs Linux."),
            Check("State folder", is_writable, f"{self._layout.root} is written to."),
            Check("Git", git is not None, git or "Install git: jobs are fetched with it."),
        ]

    def notices(self) -> list[str]:
        return [NO_ISOLATION] if has_own_host_names() else [SAME_HOST_NAME, NO_ISOLATION]

    def regions(self) -> list[Region]:
        return [REGION]

    def instance_types(self, region: str) -> list[InstanceType]:
        return self._machine.instance_types()

    def bodo_versions(self, region: str) -> list[BodoVersion]:
        return self._runtimes.offered()

    def refresh(self) -> None:
        self._runtimes.refresh()

    def check_capacity(self, region: str, instance_type: InstanceType, node_count: int) -> None:
        wanted = instance_type.cores * node_count
        self._clusters.reservations.check(wanted, node_count)

    @told_of_full_disk()
    def ensure_workspace(self, spec: WorkspaceSpec, ledger: ResourceLedger) -> Progress:
        name, path = workspace_name(spec.uuid), self._layout.shared(spec.uuid)
        if not path.is_dir():
            ledger.announce("folder", name, level=Level.WORKSPACE)
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            ledger.record("folder", name, provider_id=str(path.parent))
        self._notebooks.begin_install()
        return Progress(True, 100, "Created 1 shared folder")

    @told_of_full_disk()
    def remove_workspace(self, spec: WorkspaceSpec, ledger: ResourceLedger) -> Progress:
        name, path = workspace_name(spec.uuid), self._layout.workspace(spec.uuid)
        left = [r for r in self._clusters.reservations.every() if r.workspace == str(spec.uuid)]
        if left:
            is_one = len(left) == 1
            raise CloudError(
                "ClustersLeft",
                f"{counted(len(left), 'cluster')} of this workspace {'is' if is_one else 'are'} "
                f"still there. Remove {'it' if is_one else 'them'} first.",
            )
        is_open = ("folder", name) in ledger.open_resources()
        if is_open:
            ledger.removed("folder", name)
        processes.sweep("BODO_WORKSPACE", str(spec.uuid), seconds=2)
        self._notebooks.remove_leftovers(spec.uuid)
        had_folder = path.exists()
        delete_tree(path)
        if path.exists() or processes.marked("BODO_WORKSPACE", str(spec.uuid)):
            return Progress(False, 50, "Some files or processes could not be removed yet")
        if is_open:
            ledger.confirm_gone("folder", name)
        return Progress(True, 100, f"Removed {counted(int(had_folder), 'folder')}; nothing is left")

    def shared_files(self, spec: WorkspaceSpec) -> LocalFiles:
        workspaces, quota = self._layout.workspaces, self._quota_bytes
        return LocalFiles(workspaces, str(spec.uuid), quota_bytes=quota)

    @told_of_full_disk()
    def ensure_cluster(self, spec: ClusterSpec, ledger: ResourceLedger) -> ClusterStatus:
        return self._clusters.ensure(spec, ledger)

    def observe_clusters(self, uuids: Sequence[UUID]) -> dict[UUID, ClusterStatus]:
        return self._clusters.observe(uuids)

    @told_of_full_disk()
    def stop_cluster(self, spec: ClusterSpec) -> Progress:
        return self._clusters.stop(spec)

    @told_of_full_disk()
    def remove_cluster(self, spec: ClusterSpec, ledger: ResourceLedger) -> Progress:
        progress = self._clusters.remove(spec, ledger)
        self._kernels.forget_cluster(spec.workspace.uuid, spec.uuid)
        return progress

    def installed_packages(self, spec: ClusterSpec) -> tuple[str, ...]:
        try:
            known = record.read(self._layout.packages_file(spec.uuid))
        except (OSError, ValueError, TypeError) as error:  # users' code may write there
            raise CloudError("Packages", "The record of its packages can not be read.") from error
        return spec.packages if known is None else tuple(install.line for install in known)

    def hostfile_path(self, spec: ClusterSpec) -> str:
        return str(self._layout.hostfile(spec.workspace.uuid, spec.uuid))

    def shell_setup(self, spec: ClusterSpec) -> list[str]:
        return [f". {shlex.quote(str(activate_path(self._layout, spec.uuid)))}"]

    def check_connection(self, spec: ClusterSpec, number: int) -> Check | None:
        return connection.check(self._layout, spec, self.hostfile_path(spec), number)

    def notebook_container(self) -> str:
        return f"JupyterLab {LAB_VERSION}"

    def observe_activity(self, uuids: Sequence[UUID]) -> dict[UUID, list[Signal]]:
        return Activity(self._layout).observe(uuids)

    @told_of_full_disk()
    def ensure_notebook(self, spec: NotebookSpec, ledger: ResourceLedger) -> NotebookStatus:
        return self._notebooks.ensure(spec, ledger)

    def observe_notebooks(self, uuids: Sequence[UUID]) -> dict[UUID, NotebookStatus]:
        return self._notebooks.observe(uuids)

    @told_of_full_disk()
    def stop_notebook(self, spec: NotebookSpec) -> Progress:
        return self._notebooks.stop(spec)

    @told_of_full_disk()
    def remove_notebook(self, spec: NotebookSpec, ledger: ResourceLedger) -> Progress:
        return self._notebooks.remove(spec, ledger)

    @told_of_full_disk()
    def attach_notebook(
        self, spec: NotebookSpec, cluster: ClusterSpec, *, name: str, private_key: str
    ) -> str:
        return self._kernels.attach(spec, cluster, name=name, key=private_key)

    def detach_notebook(self, spec: NotebookSpec, cluster: UUID) -> None:
        self._kernels.detach(spec.uuid, cluster)

    @told_of_full_disk()
    def ensure_command(self, spec: CommandSpec, ledger: ResourceLedger) -> CommandStatus:
        return self._commands.ensure(spec, ledger)

    def observe_command(self, spec: CommandSpec) -> CommandStatus:
        return self._commands.observe(spec)

    @told_of_full_disk()
    def cancel_command(self, spec: CommandSpec, *, reason: str) -> CommandStatus:
        return self._commands.cancel(spec, reason=reason)

    def read_log(self, command: UUID, *, offset: int, max_bytes: int) -> LogChunk:
        return self._commands.read_log(command, offset=offset, max_bytes=max_bytes)

    def log_failures(self, command: UUID) -> tuple[LogFailure, ...]:
        return self._commands.log_failures(command)

    def remove_log(self, command: UUID) -> None:
        self._commands.remove_log(command)

    def read_log_before(self, command: UUID, *, before: int | None, max_bytes: int) -> LogChunk:
        return self._commands.read_log_before(command, before=before, max_bytes=max_bytes)

    def inventory(self) -> list[RemoteResource]:
        folders = [
            *(
                RemoteResource("folder", workspace_name(uuid), str(path), uuid, None)
                for uuid, path in uuid_folders(self._layout.workspaces)
            ),
            *(
                RemoteResource("folder", folder_name(uuid), str(path), None, uuid)
                for uuid, path in uuid_folders(self._layout.clusters)
            ),
            *(
                RemoteResource("folder", notebook_name(uuid), str(path), None, None, uuid)
                for uuid, path in uuid_folders(self._layout.notebooks)
            ),
        ]
        return folders + self._processes()

    def end_everything(self) -> Counter[str]:
        """Not part of the contract: for ``manage.py down``. Answers how many it ended of what."""
        return end_all(self._layout)

    def _processes(self) -> list[RemoteResource]:
        found = []
        for process in processes.marked("BODO_STATE", str(self._layout.root)):
            told = dict(
                pair.decode(errors="replace").split("=", 1)
                for pair in processes.environment(process.pid)
                if pair.startswith(b"BODO_") and b"=" in pair
            )
            found.append(
                RemoteResource(
                    kind="process",
                    name=told.get("BODO_RUN", ""),
                    provider_id=str(process.pid),
                    workspace=as_uuid(told.get("BODO_WORKSPACE", "")),
                    cluster=as_uuid(told.get("BODO_CLUSTER", "")),
                    notebook=as_uuid(told.get("BODO_NOTEBOOK", "")),
                )
            )
        return found


def workspace_name(workspace: UUID) -> str:
    return f"workspace-{workspace}"
