"""``%update_hostfile`` (F182)."""

from __future__ import annotations

import os

from .cluster import Cluster


def update_hostfile(cluster: Cluster) -> None:
    """Write it anew from the nodes that run now: whole, since an mpiexec may read it."""
    nodes = cluster.started_nodes()
    draft = cluster.hostfile.with_name(f"{cluster.hostfile.name}.{os.getpid()}")
    draft.write_text("".join(f"{node.address}:{nodes.cores}\n" for node in nodes.nodes))
    draft.replace(cluster.hostfile)
