"""This machine cut into instance types and places, and what its kernel allows us."""

from __future__ import annotations

import functools
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from workspaces.clouds.base import CloudError, InstanceType, Node

LAUNCHER = Path(__file__).parent / "launcher.py"
MOST_NODES = 254  # ordinals are the last octet of the nodes' addresses
SAME_HOST_NAME = (
    "This machine's kernel gives nodes no host names of their own, so every node of a cluster "
    "prints the same name; the number of processes and their addresses are checked instead."
)
NO_ISOLATION = (
    "Code of clusters, jobs and notebooks runs as the same operating-system user as the platform; "
    "give this cloud only to people you trust with the machine."
)


@dataclass(frozen=True)
class Machine:
    """``overcommit``: how many nodes' cores may share one core of the machine."""

    cores: int
    memory_mib: int
    overcommit: int

    @classmethod
    def from_settings(cls, settings: Mapping[str, object]) -> Machine:
        return cls(
            cores=int(str(settings.get("cores") or physical_cores())),
            memory_mib=int(str(settings.get("memory_mib") or physical_memory_mib())),
            overcommit=int(str(settings.get("overcommit") or 2)),
        )

    @property
    def places(self) -> int:
        return self.cores * self.overcommit

    def instance_types(self) -> list[InstanceType]:
        """Powers of two up to the machine, and the whole machine."""
        sizes = {1 << bit for bit in range(self.cores.bit_length())} | {self.cores}
        return [self.instance_type(cores) for cores in sorted(sizes)]

    def instance_type(self, cores: int) -> InstanceType:
        memory = self.memory_mib * cores // self.cores
        return InstanceType(f"local.{cores}core", vcpus=cores, cores=cores, memory_mib=memory)

    def check_places(self, wanted: int, used: int) -> None:
        if used + wanted > self.places:
            raise CloudError(
                "Capacity",
                f"This machine has {counted(self.cores, 'core')}, shared by at most "
                f"{counted(self.overcommit, 'node')} each: {counted(self.places, 'place')}, "
                f"{used} in use; {wanted} more {'was' if wanted == 1 else 'were'} asked for.",
            )


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def physical_cores() -> int:
    """Cores this process may use, hyper-threads not counted: MPI gains nothing from them."""
    usable = os.sched_getaffinity(0)
    siblings = set()
    for cpu in usable:
        topology = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        siblings.add(topology.read_text() if topology.exists() else str(cpu))
    return len(siblings)


def physical_memory_mib() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // (1024 * 1024)


def nodes_of(cluster: UUID, count: int) -> tuple[Node, ...]:
    """Each node has a loopback address of its own, outside 127.0.0.x, and its own name.

    Where the kernel gives no private host names, all have the machine's.
    """
    first, second = 1 + cluster.bytes[0] % 254, cluster.bytes[1]
    shared = "" if has_own_host_names() else socket.gethostname()
    return tuple(
        Node(n, shared or f"{node_prefix(cluster)}-{n}", f"127.{first}.{second}.{n}")
        for n in range(1, count + 1)
    )


def node_prefix(cluster: UUID) -> str:
    return f"local-{cluster.hex[:8]}"


@functools.cache
def has_own_host_names() -> bool:
    """Tried once per process, with the very code that the MPI launcher runs."""
    code = (
        "import runpy, socket, sys; m = runpy.run_path(sys.argv[1]); "
        "sys.exit(not (m['enter_node']('probe-1') and socket.gethostname() == 'probe-1'))"
    )
    probe = [sys.executable, "-I", "-S", "-c", code, str(LAUNCHER)]
    try:
        return subprocess.run(probe, check=False, capture_output=True, timeout=10).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
