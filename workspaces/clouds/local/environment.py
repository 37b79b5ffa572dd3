"""The environment of users' processes, built from nothing, and the overlay they run in.

An overlay is a virtual environment of a few files per cluster: it sees the packages of the
read-only runtime through a ``.pth`` file, and what ``pip`` installs lands in the overlay only.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from workspaces.clouds.base import ClusterSpec
from workspaces.clouds.local.layout import Layout
from workspaces.clouds.local.machine import LAUNCHER, node_prefix

NODEKIT = Path(__file__).parents[1] / "nodekit"
CONSTRAINTS = Path(__file__).parent / "constraints.txt"
# Goes on the path of kernels: there lies the extension bodo_magics.
KERNEL_PACKAGES = NODEKIT / "kernel"
_REFUSED = re.compile(r"^(LD_|HYDRA_|PMI_|PMIX_|BODO_(RUN|CLUSTER|NOTEBOOK|WORKSPACE|STATE)$)")
# What a person in a terminal needs of the above; HOME and the like stay their own.
_FOR_PEOPLE = ("PATH", "VIRTUAL_ENV", "PIP_", "BODO_", "MPI4PY_", "HYDRA_", "UCX_", "FI_")
_MPI_PROGRAMS = ("mpiexec", "mpiexec.hydra", "mpirun", "hydra_pmi_proxy", "mpicc", "mpicxx")


@dataclass(frozen=True)
class Runtime:
    """An installed Bodo: its folder, its base interpreter ("/usr/bin/python3.11") and minor."""

    version: str
    folder: Path
    base_python: str
    minor: str

    @property
    def packages(self) -> Path:
        return self.folder / "lib" / f"python{self.minor}" / "site-packages"

    def program(self, name: str) -> str:
        return str(self.folder / "bin" / name)


def markers(layout: Layout, workspace: UUID, cluster: UUID, run: str) -> dict[str, str]:
    """By these every process of ours is found again, whoever its parent is."""
    return {
        "BODO_RUN": run,
        "BODO_CLUSTER": str(cluster),
        "BODO_WORKSPACE": str(workspace),
        "BODO_STATE": str(layout.root),
    }


def cluster_environment(layout: Layout, spec: ClusterSpec, runtime: Runtime) -> dict[str, str]:
    folder = layout.cluster(spec.uuid)
    overlay = folder / "env"
    hostfile = str(layout.hostfile(spec.workspace.uuid, spec.uuid))
    return {
        "PATH": f"{overlay}/bin:{runtime.folder}/bin:/usr/local/bin:/usr/bin:/bin",
        "VIRTUAL_ENV": str(overlay),
        "HOME": str(layout.shared(spec.workspace.uuid)),
        "LANG": "C.UTF-8",
        # What MPI and users leave behind here goes with the cluster.
        "TMPDIR": str(folder / "tmp"),
        "PYTHONUNBUFFERED": "1",
        # Without it, mpiexec'd scripts spawn workers of their own and end with exit code 9.
        "BODO_SPAWN_MODE": "0",
        "BODO_PLATFORM_CACHE_LOCATION": str(folder / "cache"),
        "MPI4PY_LIBMPI": str(runtime.folder / "lib" / "libmpi.so.12"),
        "PIP_CONSTRAINT": str(CONSTRAINTS),
        "HYDRA_HOST_FILE": hostfile,
        "HYDRA_LAUNCHER": "ssh",
        "HYDRA_LAUNCHER_EXEC": str(folder / "launcher"),
        # MPI between nodes of one machine stays on loopback: no port opens to the outside.
        "HYDRA_IFACE": "lo",
        "UCX_NET_DEVICES": "lo",
        "FI_TCP_IFACE": "lo",
        # An ordinary user's nodes live in user namespaces of their own, where UCX may not open
        # another rank's memory through /proc; named segments it may.
        "UCX_POSIX_USE_PROC_LINK": "y" if os.geteuid() == 0 else "n",
    }


def kernel_variables(layout: Layout, spec: ClusterSpec, *, name: str) -> dict[str, str]:
    """What makes the magics of a kernel work with this cluster; ``name`` is how it is shown."""
    return {
        "BODO_CLUSTER_NAME": name,
        "BODO_CLUSTER_UUID": str(spec.uuid),
        "BODO_CLIENT_FILE": str(layout.client_file(spec.uuid)),
        "BODO_HOSTFILE": str(layout.hostfile(spec.workspace.uuid, spec.uuid)),
        "BODO_NODES_FILE": str(layout.nodes_file(spec.uuid)),
        "BODO_PACKAGES_FILE": str(layout.packages_file(spec.uuid)),
        # All nodes of this machine run in the same overlay.
        "BODO_NODES_SHARE_ENVIRONMENT": "1",
    }


def allowed_variables(wanted: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """(what users may set, names refused): the loader's, the MPI launcher's and our markers."""
    refused = sorted(name for name in wanted if _REFUSED.match(name))
    return {k: v for k, v in wanted.items() if k not in refused}, refused


def create_environment(overlay: Path, runtime: Runtime) -> None:
    """A virtual environment that sees the runtime and the kernel's extension, and keeps what is
    installed into it to itself. Idempotent; existing files, and so installed packages, stay.
    """
    packages = overlay / "lib" / f"python{runtime.minor}" / "site-packages"
    for path in (overlay / "bin", packages):
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    _write(packages / "bodo_runtime.pth", f"{runtime.packages}\n{KERNEL_PACKAGES}\n")
    for name in ("python", "python3", f"python{runtime.minor}"):
        _link(overlay / "bin" / name, runtime.base_python)
    home = Path(runtime.base_python).parent
    _write(overlay / "pyvenv.cfg", f"home = {home}\ninclude-system-site-packages = false\n")
    _script(overlay / "bin" / "pip", f'exec "{overlay}/bin/python" -m pip "$@"')


def create_overlay(layout: Layout, cluster: UUID, runtime: Runtime) -> None:
    """A cluster's environment, which has MPI too; idempotent as the above."""
    folder = layout.cluster(cluster)
    create_environment(folder / "env", runtime)
    for path in (folder / "cache", folder / "ipp", folder / "tmp"):
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in _MPI_PROGRAMS:
        _link(folder / "env" / "bin" / name, runtime.program(name))
    words = [sys.executable, "-I", "-S", str(LAUNCHER), node_prefix(cluster)]
    # Whatever runs on a node ends with the cluster, from wherever it was started.
    _script(folder / "launcher", f'BODO_CLUSTER={cluster} exec {shlex.join(words)} "$@"')


def activate_path(layout: Layout, cluster: UUID) -> Path:
    return layout.cluster(cluster) / "env" / "bin" / "activate"


def write_activate(layout: Layout, spec: ClusterSpec, runtime: Runtime) -> None:
    """The file that a person sources, so that the documented commands work in a terminal."""
    variables = cluster_environment(layout, spec, runtime)
    lines = [
        f"export {name}={shlex.quote(value)}"
        for name, value in variables.items()
        if name.startswith(_FOR_PEOPLE)
    ]
    _write(activate_path(layout, spec.uuid), "\n".join(lines) + "\n")


def _script(path: Path, line: str) -> None:
    _write(path, f"#!/bin/sh\n{line}\n")
    path.chmod(0o700)


def _write(path: Path, text: str) -> None:
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def _link(path: Path, target: str) -> None:
    if not path.is_symlink() and not path.exists():
        path.symlink_to(target)
