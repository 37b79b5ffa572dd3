"""The meter. An interval opens when a cluster is usable and closes at the request to end that
(K4, F190); nothing else opens or closes one.
"""

from __future__ import annotations

from datetime import datetime

from django.db.models import Max

from clusters.models import Cluster, UsageInterval


def usage_open(*, cluster: Cluster, at: datetime) -> None:
    """Inside the transaction that makes the cluster RUNNING; at most one is open (constraint).

    Never before the end of the last one: the clock may have been set back since.
    """
    last = UsageInterval.objects.filter(cluster=cluster).aggregate(Max("ended_at"))
    UsageInterval.objects.create(
        organization=cluster.workspace.organization,
        workspace=cluster.workspace,
        cluster=cluster,
        provider=cluster.workspace.cloud_configuration.provider,
        instance_type=cluster.instance_type,
        node_count=cluster.node_count,
        started_at=max(at, last["ended_at__max"] or at),
    )


def usage_close(*, cluster_pk: int, at: datetime, reason: str) -> None:
    """Close the open interval, if any; never before it began."""
    for interval in UsageInterval.objects.filter(cluster_id=cluster_pk, ended_at=None):
        UsageInterval.objects.filter(pk=interval.pk, ended_at=None).update(
            ended_at=max(at, interval.started_at), end_reason=reason
        )
