"""Taking, sharing and letting go of a cluster. The row lock decides a race for it, also against a
pause.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from clusters.models import Cluster, ClusterLease


@transaction.atomic
def lease_take(
    *, cluster: Cluster, holder_kind: str, holder_uuid: UUID, now: datetime, expires_at: datetime
) -> bool:
    """Take a RUNNING cluster for oneself alone, or renew one's own lease. False when it is held,
    or when it is being paused, scaled or removed.
    """
    locked = Cluster.objects.select_for_update().get(pk=cluster.pk)
    mine = ClusterLease.objects.filter(cluster=locked, holder_uuid=holder_uuid)
    if mine.update(expires_at=expires_at):
        return True
    if locked.state != Cluster.State.RUNNING:
        return False
    held = ClusterLease.objects.filter(cluster=locked)
    held.filter(expires_at__lte=now).delete()
    if held.exists():
        return False
    ClusterLease.objects.create(
        cluster=locked,
        holder_kind=holder_kind,
        holder_uuid=holder_uuid,
        taken_at=now,
        expires_at=expires_at,
    )
    _note_activity(locked, now)
    return True


@transaction.atomic
def lease_share(
    *, cluster: Cluster, holder_kind: str, holder_uuid: UUID, now: datetime, expires_at: datetime
) -> bool:
    """Use a RUNNING cluster beside others that share it, or renew one's own lease; that keeps jobs
    off, and neither timers nor people. False when a job has it, or when it is not RUNNING.
    """
    locked = Cluster.objects.select_for_update().get(pk=cluster.pk)
    mine = ClusterLease.objects.filter(cluster=locked, holder_uuid=holder_uuid)
    if mine.update(expires_at=expires_at):
        return True
    if locked.state != Cluster.State.RUNNING or locked.holder(now) is not None:
        return False
    ClusterLease.objects.create(
        cluster=locked,
        holder_kind=holder_kind,
        holder_uuid=holder_uuid,
        is_exclusive=False,
        taken_at=now,
        expires_at=expires_at,
    )
    return True


@transaction.atomic
def lease_release(*, holder_uuid: UUID) -> None:
    """The idle time of its cluster counts from here."""
    for lease in ClusterLease.objects.filter(holder_uuid=holder_uuid).select_related("cluster"):
        lease.delete()
        _note_activity(lease.cluster, timezone.now())


def _note_activity(cluster: Cluster, at: datetime) -> None:
    Cluster.objects.filter(pk=cluster.pk).update(last_activity_at=at, idle_warned_at=None)
