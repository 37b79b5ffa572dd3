"""The engine set of a cluster: controller, check of the nodes, engines, proof; and its status."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from uuid import UUID

from workspaces.clouds.base import CloudError, ClusterPhase, ClusterSpec, ClusterStatus, Node
from workspaces.clouds.local import runs
from workspaces.clouds.local.environment import (
    KERNEL_PACKAGES,
    NODEKIT,
    Runtime,
    cluster_environment,
    markers,
)
from workspaces.clouds.local.layout import Layout
from workspaces.clouds.local.machine import counted, has_own_host_names, nodes_of
from workspaces.clouds.local.packages import pip_environment
from workspaces.clouds.local.reservations import Reservation
from workspaces.clouds.local.runs import Look
from workspaces.clouds.local.shim.state import Spec, Stage, write_json
from workspaces.clouds.local.shim.streams import KILLED_RANK
from workspaces.clouds.nodekit.kernel.bodo_magics import record

PACKAGES = "packages"  # the stage that puts them back
# Engines count as registered after heartbeats. 200 ms: ready as soon as with 100, at 40 % of its
# idle cost (0.9 % of a core for the whole set, measured).
HEARTBEAT_MS = 200


def run_name(reservation: Reservation) -> str:
    return f"engines-{reservation.uuid}-{reservation.generation}"


def run_dir(layout: Layout, reservation: Reservation) -> Path:
    return layout.run(run_name(reservation))


def look(layout: Layout, reservation: Reservation) -> Look:
    folder = run_dir(layout, reservation)
    return runs.look(folder, folder / "state.json")


def write_hostfile(layout: Layout, spec: ClusterSpec) -> None:
    """Whole or not at all: a running mpiexec may read it at any time (F148)."""
    path = layout.hostfile(spec.workspace.uuid, spec.uuid)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    nodes = nodes_of(spec.uuid, spec.node_count)
    text = "".join(f"{node.address}:{spec.instance_type.cores}\n" for node in nodes)
    if path.exists() and path.read_text() == text:
        return
    draft = path.with_name(f"{path.name}.draft")
    draft.write_text(text)
    draft.replace(path)


def write_nodes(layout: Layout, spec: ClusterSpec) -> None:
    """For the magics of kernels: where the nodes are, and that they are meant to run."""
    nodes = nodes_of(spec.uuid, spec.node_count)
    told = {
        "state": "started",
        "cores": spec.instance_type.cores,
        "nodes": [{"name": node.name, "address": node.address} for node in nodes],
    }
    write_json(layout.nodes_file(spec.uuid), told)


def mark_stopped(layout: Layout, cluster: UUID) -> None:
    """So that kernels can say so instead of failing."""
    path = layout.nodes_file(cluster)
    if path.exists():
        write_json(path, {**json.loads(path.read_text()), "state": "stopped"})


def prepare(layout: Layout, spec: ClusterSpec, reservation: Reservation, runtime: Runtime) -> None:
    folder = run_dir(layout, reservation)
    if not (folder / "spec.json").exists():
        # Connection files of an earlier generation would be taken for new ones.
        shutil.rmtree(layout.cluster(spec.uuid) / "ipp" / "security", ignore_errors=True)
        runs.prepare(folder, _spec(layout, spec, reservation, runtime))


def missing_packages(layout: Layout, spec: ClusterSpec) -> bool:
    """Whether something is to be put back before the engines start."""
    known = record.read(layout.packages_file(spec.uuid))
    return bool(spec.packages) if known is None else any(install.problem for install in known)


def start(layout: Layout, spec: ClusterSpec, reservation: Reservation) -> None:
    is_missing = missing_packages(layout, spec)
    # The index may be reached with credentials: they go to the process, into no file.
    secrets = {PACKAGES: pip_environment()} if is_missing else {}
    runs.start(run_dir(layout, reservation), secrets)


def _spec(layout: Layout, spec: ClusterSpec, reservation: Reservation, runtime: Runtime) -> Spec:
    folder, name = run_dir(layout, reservation), run_name(reservation)
    return Spec(
        run=name,
        log=str(folder / "log"),
        state=str(folder / "state.json"),
        markers=markers(layout, spec.workspace.uuid, spec.uuid, name),
        stages=_stages(layout, spec, folder, runtime),
    )


def _put_back(layout: Layout, spec: ClusterSpec, python: str, env: dict[str, str]) -> list[Stage]:
    """None, where nothing is missing."""
    if not missing_packages(layout, spec):
        return []
    path, lines = str(layout.packages_file(spec.uuid)), json.dumps(list(spec.packages))
    return [
        Stage(
            name=PACKAGES,
            argv=[python, "-m", "bodo_magics.restore", path, lines],
            cwd=str(layout.shared(spec.workspace.uuid)),
            env={**env, "PYTHONPATH": str(KERNEL_PACKAGES)},
        )
    ]


def _stages(layout: Layout, spec: ClusterSpec, folder: Path, runtime: Runtime) -> list[Stage]:
    profile = layout.cluster(spec.uuid) / "ipp"
    security = profile / "security"
    env = cluster_environment(layout, spec, runtime)
    python = str(layout.cluster(spec.uuid) / "env" / "bin" / "python")
    counts = [str(spec.node_count), str(spec.instance_type.cores), str(int(has_own_host_names()))]
    options = [f"--profile-dir={profile}", "--ip=127.0.0.1", "--log-level=WARN"]
    ipp = [python, "-m", "ipyparallel.controller", *options]
    engine = [python, "-m", "ipyparallel.engine", "--mpi", *options[:1]]
    files = [f"{security}/ipcontroller-client.json", f"{security}/ipcontroller-engine.json"]
    expected = [str(spec.core_count), spec.bodo_version, str(spec.node_count)]
    cwd = str(layout.shared(spec.workspace.uuid))
    return [
        *_put_back(layout, spec, python, env),
        Stage(
            name="controller",
            argv=[*ipp, f"--HeartMonitor.period={HEARTBEAT_MS}"],
            cwd=cwd,
            env=env,
            is_background=True,
            output=str(folder / "controller.log"),
        ),
        Stage(
            name="nodes",
            argv=[python, "-I", "-S", str(NODEKIT / "hosts.py"), *counts],
            cwd=cwd,
            env=env,
            reason="NodesFailed",
        ),
        Stage(
            name="engines",
            argv=[
                runtime.program("mpiexec"),
                "-n",
                str(spec.core_count),
                *engine,
                f"--file={files[1]}",
            ],
            cwd=cwd,
            env=env,
            is_background=True,
            output=str(folder / "engines.log"),
            wait_for=files[1],
            reason="EnginesFailed",
        ),
        Stage(
            name="proof",
            argv=[
                python,
                str(NODEKIT / "engines.py"),
                files[0],
                *expected,
                str(folder / "ready.json"),
            ],
            cwd=cwd,
            env=env,
            reason="EnginesFailed",
        ),
    ]


def status(layout: Layout, spec: ClusterSpec, reservation: Reservation) -> ClusterStatus:
    """From the files of the engine set alone."""
    nodes = nodes_of(spec.uuid, spec.node_count)
    seen = look(layout, reservation)
    if seen.state is None:
        return ClusterStatus(ClusterPhase.NODES, 45, "Reserved the machine", nodes)
    if not seen.is_alive:
        error = CloudError("EnginesLost", _cause(run_dir(layout, reservation), seen))
        return ClusterStatus(
            ClusterPhase.FAILED,
            message=error.message,
            nodes=nodes,
            error=error,
            last_seen_at=seen.state.finished_at or seen.last_seen_at,
        )
    if (run_dir(layout, reservation) / "ready.json").exists():
        message = f"All {counted(spec.core_count, 'engine')} answered{_not_put_back(layout, spec)}"
        return ClusterStatus(ClusterPhase.READY, 100, message, nodes)
    return _starting(spec, seen.state.stage, nodes)


def _not_put_back(layout: Layout, spec: ClusterSpec) -> str:
    """What to do about packages that could not be had at the last start."""
    known = record.read(layout.packages_file(spec.uuid)) or []
    told = [f"{', '.join(i.names)} ({i.problem})" for i in known if i.problem]
    if not told:
        return ""
    return f". Not put back: {'; '.join(told)}. Install it again in a notebook, with %ppip install"


def _starting(spec: ClusterSpec, stage: str, nodes: tuple[Node, ...]) -> ClusterStatus:
    engines = counted(spec.core_count, "engine")
    all_nodes = f"Started node {spec.node_count} of {spec.node_count}"
    known = {
        PACKAGES: (ClusterPhase.RUNTIME, 42, "Began to put back installed packages"),
        "controller": (ClusterPhase.NODES, 50, "Started the controller"),
        "nodes": (
            ClusterPhase.NODES,
            60,
            f"Asked {counted(spec.node_count, 'node')} for a sign of life",
        ),
        "engines": (ClusterPhase.ENGINES, 75, f"{all_nodes}; started {engines}"),
        "proof": (ClusterPhase.ENGINES, 85, f"Started {engines}, which did not all answer yet"),
    }
    phase, percent, message = known.get(stage, (ClusterPhase.NODES, 45, "Reserved the machine"))
    return ClusterStatus(phase, percent, message, nodes)


def _cause(folder: Path, seen: Look) -> str:
    state = seen.state
    if state is None or seen.is_after_restart:
        return "The machine was restarted."
    if not state.is_exited:
        return "The process that watched the cluster was killed."
    if state.reason != "ServiceEnded":
        return state.message
    log = folder / "engines.log"
    told = KILLED_RANK.search(log.read_bytes()) if log.exists() else None
    by = f" (signal {int(told.group(1))}, {signal.strsignal(int(told.group(1)))})" if told else ""
    return f"A part of the cluster stopped: {state.message}{by}."


def of_cluster(layout: Layout, cluster: UUID) -> list[Path]:
    """Run folders that belong to this cluster: its engine sets and its commands."""
    wanted = {"BODO_CLUSTER": str(cluster)}
    found = []
    for path in layout.runs.glob("*/spec.json"):
        try:
            spec = Spec.read(path)
        except FileNotFoundError:
            continue
        if wanted.items() <= spec.markers.items():
            found.append(path.parent)
    return found
