"""A cloud in memory, for tests of everything above the drivers.

It proves nothing about processes, files or networks: ``tests/clouds`` runs the real Local driver.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from workspaces.clouds.base import (
    BodoVersion,
    Check,
    CloudError,
    ClusterPhase,
    ClusterSpec,
    ClusterStatus,
    InstanceType,
    Level,
    Node,
    Progress,
    Region,
    RemoteResource,
    ResourceLedger,
    Signal,
    WorkspaceSpec,
)
from workspaces.clouds.commands import (
    CommandSpec,
    CommandState,
    CommandStatus,
    LogChunk,
    LogFailure,
)
from workspaces.clouds.local.files import LocalFiles
from workspaces.clouds.servers import NotebookPhase, NotebookSpec, NotebookStatus


@dataclass
class FakeCloud:
    """Set ``cluster_phases`` and ``command_states`` to what the next looks shall show."""

    cluster_phases: list[ClusterPhase] = field(default_factory=list)
    command_states: list[CommandStatus] = field(default_factory=list)
    clusters: set[UUID] = field(default_factory=set)
    workspaces: set[UUID] = field(default_factory=set)
    commands: dict[UUID, CommandSpec] = field(default_factory=dict)
    ended: dict[UUID, CommandStatus] = field(default_factory=dict)
    removed_logs: list[UUID] = field(default_factory=list)
    lost: dict[UUID, float] = field(default_factory=dict)
    notebook_phases: list[NotebookPhase] = field(default_factory=list)
    notebook_address: str = "http://127.0.0.1:9"
    notebooks: set[UUID] = field(default_factory=set)
    lost_notebooks: dict[UUID, float] = field(default_factory=dict)
    attached: dict[tuple[UUID, UUID], str] = field(default_factory=dict)
    signals: dict[UUID, list[Signal]] = field(default_factory=dict)
    packages: dict[UUID, tuple[str, ...]] = field(default_factory=dict)
    error: CloudError | None = None
    capacity: int = 8
    shared_root: Path | None = None
    quota_bytes: int = 0

    def validate(self) -> list[Check]:
        return [Check("Processors", ok=True, detail="8 cores")]

    def notices(self) -> list[str]:
        return []

    def regions(self) -> list[Region]:
        return [Region("here", "This machine")]

    def instance_types(self, region: str) -> list[InstanceType]:
        if self.error:
            raise self.error
        return [
            InstanceType("c5.large", vcpus=2, cores=1, memory_mib=4096),
            InstanceType("c5.4xlarge", vcpus=16, cores=8, memory_mib=32768),
        ]

    def bodo_versions(self, region: str) -> list[BodoVersion]:
        return [BodoVersion("2026.10", is_installed=True), BodoVersion("2026.8")]

    def refresh(self) -> None: ...

    def check_capacity(self, region: str, instance_type: InstanceType, node_count: int) -> None:
        if node_count > self.capacity:
            raise CloudError("Capacity", f"Only {self.capacity} nodes can be had here.")

    def shared_files(self, spec: WorkspaceSpec) -> LocalFiles:
        """Real ones, when a test gives it a folder."""
        if self.shared_root is None:
            raise CloudError("NotReady", "This cloud keeps no files.")
        (self.shared_root / str(spec.uuid) / "shared").mkdir(parents=True, exist_ok=True)
        return LocalFiles(self.shared_root, str(spec.uuid), quota_bytes=self.quota_bytes)

    def _fail(self) -> None:
        if self.error:
            raise self.error

    def ensure_workspace(self, spec: WorkspaceSpec, ledger: ResourceLedger) -> Progress:
        self._fail()
        ledger.announce("folder", str(spec.uuid), level=Level.WORKSPACE)
        self.workspaces.add(spec.uuid)
        ledger.record("folder", str(spec.uuid), provider_id="1")
        return Progress(True, 100, "Created the shared folder")

    def remove_workspace(self, spec: WorkspaceSpec, ledger: ResourceLedger) -> Progress:
        self.workspaces.discard(spec.uuid)
        ledger.confirm_gone("folder", str(spec.uuid))
        return Progress(True, 100, "Nothing is left")

    def ensure_cluster(self, spec: ClusterSpec, ledger: ResourceLedger) -> ClusterStatus:
        self._fail()
        ledger.announce("nodes", str(spec.uuid), level=Level.CLUSTER)
        self.clusters.add(spec.uuid)
        self.packages.setdefault(spec.uuid, spec.packages)
        ledger.record("nodes", str(spec.uuid), provider_id="n")
        phase = self.cluster_phases.pop(0) if self.cluster_phases else ClusterPhase.READY
        error = CloudError("Engines", "An engine ended.") if phase == ClusterPhase.FAILED else None
        nodes = tuple(Node(n, f"node-{n}", f"127.1.1.{n}") for n in range(1, spec.node_count + 1))
        return ClusterStatus(phase, 50, f"Now {phase}", nodes, error)

    def installed_packages(self, spec: ClusterSpec) -> tuple[str, ...]:
        self._fail()
        return self.packages.get(spec.uuid, spec.packages)

    def observe_activity(self, uuids: Sequence[UUID]) -> dict[UUID, list[Signal]]:
        self._fail()
        return {uuid: self.signals.get(uuid, []) for uuid in uuids}

    def notebook_container(self) -> str:
        return "JupyterLab 4.5"

    def ensure_notebook(self, spec: NotebookSpec, ledger: ResourceLedger) -> NotebookStatus:
        self._fail()
        ledger.announce("server", str(spec.uuid), level=Level.NOTEBOOK)
        self.notebooks.add(spec.uuid)
        ledger.record("server", str(spec.uuid), provider_id="s")
        phase = self.notebook_phases.pop(0) if self.notebook_phases else NotebookPhase.UP
        error = CloudError("Lab", "The server ended.") if phase == NotebookPhase.FAILED else None
        address = self.notebook_address if phase == NotebookPhase.UP else ""
        return NotebookStatus(phase, 50, f"Now {phase}", address, error)

    def observe_notebooks(self, uuids: Sequence[UUID]) -> dict[UUID, NotebookStatus]:
        up = NotebookStatus(NotebookPhase.UP, address=self.notebook_address)
        seen = {uuid: up for uuid in uuids if uuid in self.notebooks}
        for uuid in self.lost_notebooks.keys() & set(uuids):
            seen[uuid] = NotebookStatus(
                NotebookPhase.FAILED,
                message="The server ended.",
                last_seen_at=self.lost_notebooks[uuid],
            )
        return seen

    def stop_notebook(self, spec: NotebookSpec) -> Progress:
        self._fail()
        self.notebooks.discard(spec.uuid)
        self.lost_notebooks.pop(spec.uuid, None)
        return Progress(True, 100, "Stopped the server")

    def remove_notebook(self, spec: NotebookSpec, ledger: ResourceLedger) -> Progress:
        self.notebooks.discard(spec.uuid)
        self.attached = {pair: key for pair, key in self.attached.items() if pair[0] != spec.uuid}
        ledger.confirm_gone("server", str(spec.uuid))
        return Progress(True, 100, "Nothing is left")

    def attach_notebook(
        self, spec: NotebookSpec, cluster: ClusterSpec, *, name: str, private_key: str
    ) -> str:
        self._fail()
        self.attached[spec.uuid, cluster.uuid] = private_key
        return f"bodo-{cluster.uuid}"

    def detach_notebook(self, spec: NotebookSpec, cluster: UUID) -> None:
        self._fail()
        self.attached.pop((spec.uuid, cluster), None)

    def observe_clusters(self, uuids: Sequence[UUID]) -> dict[UUID, ClusterStatus]:
        self._fail()
        seen = {}
        for uuid in uuids:
            if uuid in self.lost:
                seen[uuid] = ClusterStatus(
                    ClusterPhase.FAILED, message="A node died.", last_seen_at=self.lost[uuid]
                )
            elif uuid in self.clusters:
                seen[uuid] = ClusterStatus(ClusterPhase.READY)
        return seen

    def stop_cluster(self, spec: ClusterSpec) -> Progress:
        self.packages.pop(spec.uuid, None)
        return Progress(True, 100, "Stopped")

    def remove_cluster(self, spec: ClusterSpec, ledger: ResourceLedger) -> Progress:
        self.clusters.discard(spec.uuid)
        self.packages.pop(spec.uuid, None)
        self.lost.pop(spec.uuid, None)
        ledger.confirm_gone("nodes", str(spec.uuid))
        return Progress(True, 100, "Removed everything; nothing is left")

    def hostfile_path(self, spec: ClusterSpec) -> str:
        return f"/shared/.hostfile-{spec.uuid}"

    def shell_setup(self, spec: ClusterSpec) -> list[str]:
        return []

    def check_connection(self, spec: ClusterSpec, number: int) -> Check | None:
        launch = f"mpiexec -n {spec.core_count} -f {self.hostfile_path(spec)}"
        lines = [f"ls -la {self.hostfile_path(spec)}", f"{launch} hostname"]
        if number >= len(lines):
            return None
        return Check(lines[number], ok=spec.uuid in self.clusters, detail="node-1\nnode-2")

    def ensure_command(self, spec: CommandSpec, ledger: ResourceLedger) -> CommandStatus:
        self._fail()
        ledger.announce("command", str(spec.uuid), level=Level.CLUSTER)
        self.commands[spec.uuid] = spec
        status = CommandStatus(CommandState.EXITED, exit_code=0, source_commit="c0ffee")
        if self.command_states:
            status = self.command_states.pop(0)
        if status.state == CommandState.EXITED:
            self.ended[spec.uuid] = status
        return status

    def observe_command(self, spec: CommandSpec) -> CommandStatus:
        return CommandStatus(CommandState.ABSENT)

    def cancel_command(self, spec: CommandSpec, *, reason: str) -> CommandStatus:
        if spec.uuid in self.ended:
            return self.ended[spec.uuid]
        if self.commands.pop(spec.uuid, None):
            return CommandStatus(CommandState.EXITED, exit_code=143, reason=reason)
        return CommandStatus(CommandState.ABSENT)

    def read_log(self, command: UUID, *, offset: int, max_bytes: int) -> LogChunk:
        return LogChunk((), offset, offset, is_complete=True)

    def log_failures(self, command: UUID) -> tuple[LogFailure, ...]:
        return ()

    def remove_log(self, command: UUID) -> None:
        self._fail()
        self.removed_logs.append(command)

    def read_log_before(self, command: UUID, *, before: int | None, max_bytes: int) -> LogChunk:
        return self.read_log(command, offset=before or 0, max_bytes=max_bytes)

    def inventory(self) -> list[RemoteResource]:
        return []
