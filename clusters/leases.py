"""Taking and letting go of a cluster. The database decides a race for it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction

from clusters.models import Cluster, ClusterLease


@transaction.atomic
def lease_take(
    *, cluster: Cluster, holder_kind: str, holder_uuid: UUID, now: datetime, expires_at: datetime
) -> bool:
    """Take the cluster for oneself alone, or renew one's own lease. False when it is held."""
    mine = ClusterLease.objects.filter(cluster=cluster, holder_uuid=holder_uuid)
    if mine.update(expires_at=expires_at):
        return True
    held = ClusterLease.objects.filter(cluster=cluster)
    held.filter(expires_at__lte=now).delete()
    if held.exists():
        return False
    try:
        with transaction.atomic():
            ClusterLease.objects.create(
                cluster=cluster,
                holder_kind=holder_kind,
                holder_uuid=holder_uuid,
                taken_at=now,
                expires_at=expires_at,
            )
    except IntegrityError:
        return False
    return True


def lease_release(*, holder_uuid: UUID) -> None:
    ClusterLease.objects.filter(holder_uuid=holder_uuid).delete()
