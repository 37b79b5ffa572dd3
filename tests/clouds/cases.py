"""A provider under the conformance suite, and the loops that an operation would run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import uuid4

from tests.clouds.jupyter import answer
from tests.clouds.ledgers import MemoryLedger
from tests.git_server import GitServer
from tests.waiting import wait_until
from workspaces.clouds.base import (
    Cloud,
    ClusterPhase,
    ClusterSpec,
    ClusterStatus,
    Progress,
    WorkspaceSpec,
)
from workspaces.clouds.commands import CommandSpec, CommandState, CommandStatus, GitSource, LogLine
from workspaces.clouds.servers import NotebookPhase, NotebookSpec, NotebookStatus

Step = TypeVar("Step", Progress, CommandStatus)


@dataclass
class Case:
    """``seconds``: what one creation or removal may take on this provider.
    ``has_own_names``: each node has a host name of its own (F149)."""

    cloud: Cloud
    bodo_version: str
    git: GitServer
    seconds: float = 60
    has_own_names: bool = True
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    clusters: list[ClusterSpec] = field(default_factory=list)
    notebooks: list[NotebookSpec] = field(default_factory=list)
    workspace: WorkspaceSpec = field(init=False)

    def __post_init__(self) -> None:
        self.workspace = self.new_workspace()
        drive(lambda: self.cloud.ensure_workspace(self.workspace, self.ledger), self.seconds)

    def new_workspace(self) -> WorkspaceSpec:
        return WorkspaceSpec(uuid4(), self.cloud.regions()[0].name)

    def cluster(self, *, nodes: int, bodo_version: str = "") -> ClusterSpec:
        kind = self.cloud.instance_types(self.workspace.region)[0]
        version = bodo_version or self.bodo_version
        spec = ClusterSpec(uuid4(), self.workspace, kind, nodes, version)
        self.clusters.append(spec)
        return spec

    def command(
        self,
        cluster: ClusterSpec,
        *argv: str,
        source: str = "",
        environment: Mapping[str, str] | None = None,
        seconds: int = 60,
    ) -> CommandSpec:
        git = GitSource(self.git.url(source)) if source else None
        return CommandSpec(uuid4(), cluster, argv, git, seconds, environment or {})

    def notebook(self) -> NotebookSpec:
        kind = self.cloud.instance_types(self.workspace.region)[0]
        spec = NotebookSpec(uuid4(), self.workspace, kind, token=uuid4().hex)
        self.notebooks.append(spec)
        return spec

    def clean_up(self) -> None:
        for server in self.notebooks:
            drive(lambda spec=server: self.cloud.remove_notebook(spec, self.ledger), self.seconds)
        for spec in self.clusters:
            drive(lambda spec=spec: self.cloud.remove_cluster(spec, self.ledger), self.seconds)
        drive(lambda: self.cloud.remove_workspace(self.workspace, self.ledger), self.seconds)
        assert self.cloud.inventory() == []


def drive(step: Callable[[], Step], seconds: float, *, until: str = "") -> Step:
    """Repeat a step as the operations engine would, until it is done (or in that state)."""

    def done() -> Step | None:
        found = step()
        is_done = found.is_done if isinstance(found, Progress) else found.state == until
        return found if is_done else None

    found = wait_until(done, timeout=seconds, every=0.05)
    assert found is not None
    return found


def create(case: Case, spec: ClusterSpec) -> ClusterStatus:
    def settled() -> ClusterStatus | None:
        found = case.cloud.ensure_cluster(spec, case.ledger)
        return found if found.phase in (ClusterPhase.READY, ClusterPhase.FAILED) else None

    status = wait_until(settled, timeout=case.seconds, every=0.05)
    assert status is not None
    assert status.phase is ClusterPhase.READY, status.message
    return status


def serve(case: Case, spec: NotebookSpec) -> NotebookStatus:
    """Up, and it answered with its token."""

    def settled() -> NotebookStatus | None:
        found = case.cloud.ensure_notebook(spec, case.ledger)
        return found if found.phase in (NotebookPhase.UP, NotebookPhase.FAILED) else None

    status = wait_until(settled, timeout=case.seconds, every=0.05)
    assert status is not None
    assert status.phase is NotebookPhase.UP, status.message
    wait_until(lambda: answer(status.address, spec.token) == 200, timeout=case.seconds)
    return status


def run_to_end(case: Case, command: CommandSpec) -> CommandStatus:
    return drive(
        lambda: case.cloud.ensure_command(command, case.ledger),
        command.timeout_seconds + case.seconds,
        until=CommandState.EXITED,
    )


def log_of(case: Case, command: CommandSpec) -> list[LogLine]:
    """The whole log, read in small chunks."""
    lines: list[LogLine] = []
    offset = 0
    while True:
        chunk = case.cloud.read_log(command.uuid, offset=offset, max_bytes=200)
        lines += chunk.lines
        offset = chunk.next_offset
        if chunk.is_complete:
            return lines
