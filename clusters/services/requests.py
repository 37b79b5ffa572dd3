"""What every act on a cluster does: take part in a transaction, start an operation, note it."""

from __future__ import annotations

from clusters.models import Cluster
from workspaces.clouds.base import ClusterSpec, InstanceType
from workspaces.models import Operation
from workspaces.operations import Actor, operation_start
from workspaces.services.workspaces import workspace_spec


class ClusterRefused(Exception):  # noqa: N818 - an expected refusal, with a sentence for the user
    pass


def cluster_spec(cluster: Cluster) -> ClusterSpec:
    """What a driver must know; ``cluster.workspace`` is read."""
    return ClusterSpec(
        uuid=cluster.uuid,
        workspace=workspace_spec(cluster.workspace),
        instance_type=InstanceType(
            name=cluster.instance_type,
            vcpus=cluster.vcpus_per_node,
            cores=cluster.cores_per_node,
            memory_mib=cluster.memory_mib_per_node,
            has_efa=cluster.has_efa,
        ),
        node_count=cluster.node_count,
        bodo_version=cluster.bodo_version,
        packages=tuple(cluster.packages),
        public_key=cluster.node_public_key,
    )


def operation_for(
    cluster: Cluster, kind: str, actor: Actor, *, reason: str = "", overtake: bool = False
) -> Operation:
    return operation_start(
        kind=kind,
        target_uuid=cluster.uuid,
        organization=cluster.workspace.organization,
        workspace=cluster.workspace,
        actor=actor,
        reason=reason,
        overtake=overtake,
    )
