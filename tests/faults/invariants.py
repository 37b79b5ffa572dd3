"""What must be true after every fault: nothing stuck, orphaned or doubled, every interval closed.

Each line of ``faults_of`` is one thing that is wrong now; a moment later it may be right, so
``check`` asks until the list is empty and shows what is left of it in the end.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from clusters.models import Cluster, ClusterLease, NotebookAttachment, UsageInterval
from jobs.models import Job
from tests.faults.scene import DATABASE, Scene
from workspaces.clouds.local import processes
from workspaces.models import CloudResource, Notebook, NotebookAccess, Operation

CHECK_SECONDS = 30
T = TypeVar("T")
SHIM = "shim/__main__.py"
# What may be asked for and carried out again on the same thing.
MANY_TIMES = frozenset(
    f"{noun}.{verb}"
    for noun, verbs in {
        "cluster": ("create", "clean", "pause", "resume", "stop", "start", "restart", "scale"),
        "notebook": ("clean", "pause", "resume", "start", "restart", "reset"),
    }.items()
    for verb in verbs
)


def check(scene: Scene) -> None:
    deadline = time.monotonic() + CHECK_SECONDS
    while found := list(faults_of(scene)):
        assert time.monotonic() < deadline, "\n".join(found)
        time.sleep(0.1)


def faults_of(scene: Scene) -> Iterator[str]:
    if not scene.stack.is_complete():
        yield f"the stack is not whole: {scene.stack.pids()}"
    if scene.stack.health().get("status") != "ok":
        yield f"the stack is not well: {scene.stack.health()}"
    yield from _operations(scene)
    yield from _clusters(scene)
    yield from _intervals()
    yield from _jobs(scene)
    yield from _notebooks(scene)
    local = scene.stack.data_dir / "local"
    running = set(_clusters_in(Cluster.State.RUNNING))
    yield from _processes(local, running, _notebooks_in(Notebook.State.RUNNING))
    living = running | set(_clusters_in(Cluster.State.PAUSED))
    yield from _folders(local, living | set(_living_notebooks()))


def _operations(scene: Scene) -> Iterator[str]:
    rows = Operation.objects.using(DATABASE)
    for operation in rows.filter(created_at__gte=scene.began_at):
        if operation.is_open or operation.lease_owner:
            yield f"{operation.kind} is {operation.status}, held by {operation.lease_owner!r}"
        repeated = _repeated(operation.events.values_list("message", flat=True))
        if repeated and operation.kind not in {"job.run", "cluster.scale"}:
            yield f"{operation.kind} says twice: {repeated}"
    done = rows.exclude(status=Operation.Status.FAILED).exclude(kind__in=MANY_TIMES)
    for twice in _repeated(done.values_list("kind", "target_uuid")):
        yield f"two operations {twice}"


def _clusters(scene: Scene) -> Iterator[str]:
    settled = set(Cluster.State.values) - set(Cluster.UNSETTLED)
    for cluster in Cluster.objects.using(DATABASE):
        wanted = {scene.expected[cluster.uuid]} if cluster.uuid in scene.expected else settled
        if cluster.state not in wanted:
            yield f"cluster {cluster} is {cluster.state} ({cluster.state_reason})"
        if cluster.state == Cluster.State.FAILED and not cluster.state_reason:
            yield f"cluster {cluster} is FAILED and does not say why"
        if cluster.state == Cluster.State.RUNNING and not cluster.nodes.exists():
            yield f"cluster {cluster} is RUNNING without nodes"
    running = _clusters_in(Cluster.State.RUNNING)
    workspaces = Operation.objects.using(DATABASE).filter(kind="workspace.create")
    owners = {
        *running,
        *_clusters_in(Cluster.State.PAUSED),
        *_living_notebooks(),
        *workspaces.values_list("target_uuid", flat=True),
    }
    for resource in CloudResource.objects.using(DATABASE).open().exclude(owner_uuid__in=owners):
        yield f"{resource.kind} {resource.name} is not confirmed gone"
    holders = {
        *Job.objects.using(DATABASE).unsettled().values_list("uuid", flat=True),
        *_notebooks_in(Notebook.State.RUNNING),
    }
    for lease in ClusterLease.objects.using(DATABASE).exclude(holder_uuid__in=holders):
        yield f"a lease is left: {lease}"


def _clusters_in(state: str) -> list[UUID]:
    return list(Cluster.objects.using(DATABASE).filter(state=state).values_list("uuid", flat=True))


def _intervals() -> Iterator[str]:
    """One per stretch of RUNNING, from ready to the request to remove it or its last sign."""
    for cluster in Cluster.objects.using(DATABASE).prefetch_related("usage_intervals"):
        found: list[UsageInterval] = list(cluster.usage_intervals.all())
        is_open = [interval for interval in found if interval.ended_at is None]
        if len(is_open) != (cluster.state == Cluster.State.RUNNING):
            yield f"cluster {cluster} is {cluster.state} with {len(is_open)} open intervals"
        if (cluster.ready_at is not None) != bool(found):
            yield f"cluster {cluster}, ready at {cluster.ready_at}, has {len(found)} intervals"
        for one, next_one in pairwise(found):
            if one.ended_at is None or one.ended_at > next_one.started_at:
                yield f"intervals of {cluster} overlap"
        asked = cluster.removal_requested_at
        if found and asked and found[-1].ended_at and found[-1].ended_at > asked:
            yield f"cluster {cluster} is metered after its removal was asked for"


def _jobs(scene: Scene) -> Iterator[str]:
    for job in Job.objects.using(DATABASE).filter(created_at__gte=scene.began_at):
        if job.is_unsettled or job.state != scene.expected.get(job.uuid, job.state):
            yield f"job {job} is {job.state}: {job.message}"
            continue
        if job.finished_at is None:
            yield f"job {job} is {job.state} and has no end"
        if job.state == Job.State.FAILED and not (job.reason and job.message):
            yield f"job {job} is FAILED and does not say why"
        if "End of the log" not in (log := scene.person.log(job.uuid)):
            yield f"the log of {job} has no end"
        doubled = _repeated(line for line in log.splitlines() if "tick" in line)
        if doubled:
            yield f"the log of {job} repeats {doubled}"


def _notebooks(scene: Scene) -> Iterator[str]:
    """Who may come in, and which clusters are held, goes with the server."""
    settled = set(Notebook.State.values) - set(Notebook.UNSETTLED)
    for notebook in Notebook.objects.using(DATABASE).filter(created_at__gte=scene.began_at):
        wanted = {scene.expected[notebook.uuid]} if notebook.uuid in scene.expected else settled
        if notebook.state not in wanted:
            yield f"notebook {notebook} is {notebook.state} ({notebook.state_reason})"
        if notebook.state == Notebook.State.FAILED and not notebook.state_reason:
            yield f"notebook {notebook} is FAILED and does not say why"
        if bool(notebook.address) != notebook.is_open:
            yield f"notebook {notebook} is {notebook.state} at {notebook.address!r}"
        if bool(notebook.sealed_token) == (notebook.state == Notebook.State.TERMINATED):
            yield f"notebook {notebook} is {notebook.state} and has the wrong token"
    closed = NotebookAttachment.objects.using(DATABASE).exclude(
        notebook__state=Notebook.State.RUNNING
    )
    for attachment in closed:
        yield f"an attachment is left: {attachment}"
    gone = NotebookAccess.objects.using(DATABASE).filter(notebook__state=Notebook.State.TERMINATED)
    for access in gone:
        yield f"a way in is left: {access}"


def _notebooks_in(state: str) -> list[UUID]:
    return list(Notebook.objects.using(DATABASE).filter(state=state).values_list("uuid", flat=True))


def _living_notebooks() -> list[UUID]:
    return list(Notebook.objects.using(DATABASE).live().values_list("uuid", flat=True))


def _processes(local: Path, clusters: set[UUID], notebooks: Iterable[UUID]) -> Iterator[str]:
    """Of everything that carries this stack's marker: one shim per RUNNING cluster and notebook
    server, none else.
    """
    owners = {
        **{f"engines-{uuid}": f"cluster {uuid}" for uuid in clusters},
        **{f"notebook-{uuid}": f"notebook {uuid}" for uuid in notebooks},
    }
    shims: Counter[str] = Counter()
    for process in processes.marked("BODO_STATE", str(local)):
        told = dict(
            pair.decode(errors="replace").split("=", 1)
            for pair in processes.environment(process.pid)
            if pair.startswith(b"BODO_") and b"=" in pair
        )
        run = told.get("BODO_RUN", "")
        if run.startswith("runtime-"):
            continue  # an installation serves whoever comes next
        words = command_line(process.pid)
        owner = run.rpartition("-")[0]  # without the number of the start
        if owner not in owners:
            yield f"process {process.pid} of {run} is left: {words[:120]}"
        shims[owner] += SHIM in words
    for owner, name in owners.items():
        if shims[owner] != 1:
            yield f"{name} has {shims[owner]} shims"


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def _folders(local: Path, owners: set[UUID]) -> Iterator[str]:
    living = {str(uuid) for uuid in owners}
    for folder in [*(local / "clusters").iterdir(), *(local / "notebooks").iterdir()]:
        if folder.name not in living:
            yield f"folder {folder} is left"
    for folder in (local / "runs").iterdir():
        if folder.name.startswith("runtime-"):
            continue
        spec = folder / "spec.json"
        told = json.loads(spec.read_text())["markers"] if spec.exists() else {}
        if told.get("BODO_CLUSTER", told.get("BODO_NOTEBOOK")) not in living:
            yield f"folder {folder} is left"
    for path in (local / "workspaces").glob("*/shared/.hostfile-*"):
        if path.name.removeprefix(".hostfile-") not in living:
            yield f"hostfile {path} is left"


def _repeated(things: Iterable[T]) -> list[T]:
    return [thing for thing, count in Counter(things).items() if count > 1]
