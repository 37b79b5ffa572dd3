"""The contract between the platform and a cloud provider.

A driver is a class that satisfies :class:`Cloud`. It imports no Django and no model: frozen
dataclasses go in and come out. Every method looks at what is there, does the next missing thing
in a few seconds at most, and says how far it got; calling it again, from another process, or
after a crash at any instruction, ends in the same state (level-triggered, idempotent).

Names and tags of everything a driver makes are derived from uuids, so "create" first finds.
Each create is announced to the :class:`ResourceLedger` before the call and recorded after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from workspaces.clouds.commands import CommandSpec, CommandStatus, LogChunk, LogFailure
from workspaces.clouds.servers import NotebookSpec, NotebookStatus
from workspaces.clouds.shared_files import SharedFiles


class CloudError(Exception):
    """A provider refused or failed, told in a sentence that a user may read.

    ``code`` is a short CamelCase reason ("Capacity", "SourceNotFound"); ``retryable`` says that
    the same step may be tried again later without anybody changing anything.
    """

    def __init__(self, code: str, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable


class Level(StrEnum):
    """Which life a recorded resource shares (F087)."""

    WORKSPACE = "workspace"
    CLUSTER = "cluster"
    NOTEBOOK = "notebook"


class ResourceLedger(Protocol):
    """Where a driver writes down what it makes, before and after it makes it.

    ``announce`` is idempotent per (kind, name) and raises if the calling operation has been
    superseded, so a stale step can start nothing new.
    """

    def announce(self, kind: str, name: str, *, level: Level) -> None: ...

    def record(self, kind: str, name: str, *, provider_id: str) -> None: ...

    def removed(self, kind: str, name: str) -> None:
        """The removal was asked for and the provider accepted it."""

    def confirm_gone(self, kind: str, name: str) -> None:
        """A fresh listing no longer shows it."""

    def open_resources(self) -> Sequence[tuple[str, str]]:
        """(kind, name) of everything announced and not confirmed gone, newest first."""


@dataclass(frozen=True)
class Check:
    """One line of a validation checklist: green, or what to do."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True)
class Region:
    name: str
    label: str


@dataclass(frozen=True)
class InstanceType:
    """``cores`` are physical cores, what F150 counts; ``vcpus`` may be twice that."""

    name: str
    vcpus: int
    cores: int
    memory_mib: int
    has_efa: bool = False

    @property
    def label(self) -> str:
        """The option text of V24: "c6a.large, Cores: 1 Memory: 4 GiB"."""
        gib = self.memory_mib / 1024
        return f"{self.name}, Cores: {self.cores} Memory: {gib:.3g} GiB"


@dataclass(frozen=True)
class BodoVersion:
    """``is_installed``: ready to use without a download."""

    version: str
    is_installed: bool = False


@dataclass(frozen=True)
class WorkspaceSpec:
    uuid: UUID
    region: str


@dataclass(frozen=True)
class ClusterSpec:
    """``packages``: what ``%ppip install`` was given on it, put back whenever nodes start afresh.
    ``public_key``: OpenSSH, may enter its nodes.
    """

    uuid: UUID
    workspace: WorkspaceSpec
    instance_type: InstanceType
    node_count: int
    bodo_version: str
    packages: tuple[str, ...] = ()
    public_key: str = ""

    @property
    def core_count(self) -> int:
        """TOTAL_CORE_COUNT of the documents: one MPI rank per physical core (F150)."""
        return self.instance_type.cores * self.node_count


@dataclass(frozen=True)
class Node:
    """A cluster node. ``name`` is what ``hostname`` prints there; ``address`` is its IP."""

    ordinal: int
    name: str
    address: str


@dataclass(frozen=True)
class Progress:
    """How far a removal or a workspace deployment got; ``percent`` is 0 to 100."""

    is_done: bool
    percent: int
    message: str
    phase: str = ""


class ClusterPhase(StrEnum):
    ABSENT = "absent"
    RUNTIME = "runtime"  # software of the chosen Bodo version is being installed
    NODES = "nodes"  # machines are being started
    ENGINES = "engines"  # MPI and the parallel engines come up
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True)
class ClusterStatus:
    """What a look at the cluster shows now.

    ``nodes`` are filled as soon as they are known. READY means: every node answered and
    ``mpiexec hostname`` printed ``core_count`` lines with one unique name per node (F116, F149).
    ``last_seen_at`` is the last sign of life in epoch seconds, for a cluster found FAILED.
    """

    phase: ClusterPhase
    percent: int = 0
    message: str = ""
    nodes: tuple[Node, ...] = ()
    error: CloudError | None = None
    last_seen_at: float | None = None


@dataclass(frozen=True)
class Signal:
    """One sign that a cluster is used, or that it is not.

    ``name``: "engines" (their queues), "mpiexec", "terminal" (a shell or ssh session of it),
    "processor" (users' processes compute). ``is_busy`` is None where the look failed: that
    counts as busy and is told. ``detail`` is a sentence for the cluster's page.
    """

    name: str
    is_busy: bool | None
    detail: str


@dataclass(frozen=True)
class RemoteResource:
    """Something of ours that a fresh listing of the provider shows."""

    kind: str
    name: str
    provider_id: str
    workspace: UUID | None
    cluster: UUID | None
    notebook: UUID | None = None


class Cloud(Protocol):
    """What the platform asks of a provider. No method takes longer than a few seconds."""

    def validate(self) -> list[Check]: ...

    def notices(self) -> list[str]:
        """Sentences for the cluster pages about what this provider cannot do here."""

    def regions(self) -> list[Region]: ...

    def instance_types(self, region: str) -> list[InstanceType]: ...

    def bodo_versions(self, region: str) -> list[BodoVersion]:
        """Newest first, at most the configured number (F103). Answers from a cache."""

    def refresh(self) -> None:
        """Renew what the two lists above answer from. May take seconds: workers only."""

    def check_capacity(self, region: str, instance_type: InstanceType, node_count: int) -> None:
        """Raise CloudError("Capacity", …) when that many nodes can not be had there now."""

    def ensure_workspace(self, spec: WorkspaceSpec, ledger: ResourceLedger) -> Progress: ...

    def remove_workspace(self, spec: WorkspaceSpec, ledger: ResourceLedger) -> Progress: ...

    def shared_files(self, spec: WorkspaceSpec) -> SharedFiles:
        """The tree that all nodes and notebooks of the workspace share (F019). Cheap."""

    def ensure_cluster(self, spec: ClusterSpec, ledger: ResourceLedger) -> ClusterStatus: ...

    def observe_clusters(self, uuids: Sequence[UUID]) -> dict[UUID, ClusterStatus]:
        """One look at many clusters; reads only."""

    def stop_cluster(self, spec: ClusterSpec) -> Progress:
        """End the nodes' processes and keep everything else; used before a fresh start."""

    def remove_cluster(self, spec: ClusterSpec, ledger: ResourceLedger) -> Progress:
        """Done only when a fresh listing shows no process and no folder of it (F088)."""

    def installed_packages(self, spec: ClusterSpec) -> tuple[str, ...]:
        """What ``%ppip`` and ``%pconda`` were told to install there until now, oldest first."""

    def hostfile_path(self, spec: ClusterSpec) -> str:
        """What the user types after ``mpiexec -f`` on this provider (F148, K19)."""

    def shell_setup(self, spec: ClusterSpec) -> list[str]:
        """Shell lines a person runs first so that the documented commands work here."""

    def check_connection(self, spec: ClusterSpec, number: int) -> Check | None:
        """Run one of the documented checks of a READY cluster (F213), the first is 0.

        ``name`` is the line as the user would type it, ``detail`` what it printed; None when
        there is no check of that number. May take seconds: workers only.
        """

    def observe_activity(self, uuids: Sequence[UUID]) -> dict[UUID, list[Signal]]:
        """What these READY clusters do now; reads only, and is itself no activity."""

    def notebook_container(self) -> str:
        """What a server runs, such as "JupyterLab 4.5"; shown as its CONTAINER (V12). Cheap."""

    def ensure_notebook(self, spec: NotebookSpec, ledger: ResourceLedger) -> NotebookStatus:
        """One that FAILED stays so until it was stopped; then this starts it afresh."""

    def observe_notebooks(self, uuids: Sequence[UUID]) -> dict[UUID, NotebookStatus]:
        """One look at many servers; reads only."""

    def stop_notebook(self, spec: NotebookSpec) -> Progress:
        """End the server and its kernels; its files stay."""

    def remove_notebook(self, spec: NotebookSpec, ledger: ResourceLedger) -> Progress:
        """The server's own folder (settings, history, keys) goes; the shared tree stays."""

    def attach_notebook(
        self, spec: NotebookSpec, cluster: ClusterSpec, *, name: str, private_key: str
    ) -> str:
        """Let kernels of this server work with that READY cluster; answers the kernel's name.

        ``name`` is how the cluster is shown. ``private_key`` (OpenSSH; "" is none) is put at
        ``~/cluster_ssh_keys/id_rsa-<CLUSTER-UUID>`` with mode 600 (F141). Idempotent and quick.
        """

    def detach_notebook(self, spec: NotebookSpec, cluster: UUID) -> None:
        """Undo that: no new kernel of the cluster, no key. Running kernels are not ended."""

    def ensure_command(self, spec: CommandSpec, ledger: ResourceLedger) -> CommandStatus:
        """Start it unless it was ever started; say where it stands."""

    def observe_command(self, spec: CommandSpec) -> CommandStatus: ...

    def cancel_command(self, spec: CommandSpec, *, reason: str) -> CommandStatus:
        """Ask it to end; call again until EXITED or ABSENT. Leaves no process."""

    def read_log(self, command: UUID, *, offset: int, max_bytes: int) -> LogChunk:
        """The log outlives the node and the cluster."""

    def read_log_before(self, command: UUID, *, before: int | None, max_bytes: int) -> LogChunk:
        """Whole lines that end at byte ``before``, where a line ends; None is the log's end."""

    def log_failures(self, command: UUID) -> tuple[LogFailure, ...]:
        """From what was noted while the log was written; empty where nothing was."""

    def remove_log(self, command: UUID) -> None:
        """Forget the log of a command that has ended, and whatever else is kept of it. Harmless
        when there is none; raises CloudError for one that may still write.
        """

    def inventory(self) -> list[RemoteResource]:
        """Everything that carries our tags, from a fresh listing."""


CloudFactory = Any  # a class taking the configuration's settings mapping; see registry.py
