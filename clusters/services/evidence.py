"""Looking at how clusters are used, and writing it down (F108).

The looks themselves happen outside any transaction; a cluster's page reads the rows, and so do
its timers, after one more look just before they act.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from clusters.evidence import Sign, last_use, signs_of_cloud, signs_of_notebook
from clusters.models import Cluster, ClusterEvidence, NotebookAttachment
from workspaces.clouds.base import CloudError, Signal
from workspaces.models import CloudConfiguration, Notebook
from workspaces.services import Activities, cloud_of, notebooks_look

logger = logging.getLogger(__name__)


def signs_look(clusters: Sequence[Cluster], activities: Activities) -> dict[int, list[Sign]]:
    """Every sign of these RUNNING clusters, by primary key. One listing per cloud configuration;
    ``activities``: what ``notebooks_look`` found.
    """
    signs: dict[int, list[Sign]] = {cluster.pk: [] for cluster in clusters}
    by_cloud: dict[CloudConfiguration, list[Cluster]] = defaultdict(list)
    for cluster in clusters:
        by_cloud[cluster.workspace.cloud_configuration].append(cluster)
    for configuration, own in by_cloud.items():
        seen = _observe(configuration, [cluster.uuid for cluster in own])
        for cluster in own:
            signs[cluster.pk] += signs_of_cloud(seen.get(cluster.uuid, []))
    attachments = NotebookAttachment.objects.filter(
        cluster__in=clusters, notebook__state=Notebook.State.RUNNING
    ).select_related("notebook", "cluster")
    for attachment in attachments:
        notebook, uuid = attachment.notebook, attachment.cluster.uuid
        activity = activities.get(notebook.pk)
        found = signs_of_notebook(notebook.uuid, notebook.name, [uuid], activity)
        signs[attachment.cluster_id].append(found[uuid])
    return signs


def _observe(configuration: CloudConfiguration, uuids: Sequence[UUID]) -> dict[UUID, list[Signal]]:
    """A provider that can not be asked makes nobody idle, and keeps no other from being asked."""
    try:
        return cloud_of(configuration).observe_activity(uuids)
    except CloudError as error:
        unknown = Signal("provider", None, error.message)
        return {uuid: [unknown] for uuid in uuids}


@transaction.atomic
def evidence_record(*, signs: Mapping[int, Sequence[Sign]], now: datetime) -> None:
    """Replace what was known of these clusters (by primary key), and move their last activity."""
    before = {
        (row.cluster_id, row.name, row.source): row
        for row in ClusterEvidence.objects.filter(cluster__in=signs)
    }
    rows = []
    for pk, found in signs.items():
        for sign in found:
            old = before.pop((pk, sign.name, sign.source), None)
            rows.append(_row(pk, sign, old, now))
            if sign.is_busy is None and old is not None and old.is_busy is not None:
                logger.warning("Use of cluster %s is not known: %s", pk, sign.name)
        _move_activity(pk, last_use(found, now))
    ClusterEvidence.objects.filter(pk__in=[row.pk for row in before.values()]).delete()
    ClusterEvidence.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["cluster", "name", "source"],
        update_fields=["is_busy", "detail", "seen_at", "last_busy_at"],
    )


def _row(pk: int, sign: Sign, old: ClusterEvidence | None, now: datetime) -> ClusterEvidence:
    used = last_use([sign], now) or (old.last_busy_at if old else None)
    return ClusterEvidence(
        cluster_id=pk,
        name=sign.name,
        source=sign.source,
        is_busy=sign.is_busy,
        detail=sign.detail[:300],
        seen_at=now,
        last_busy_at=used,
    )


def _move_activity(pk: int, used: datetime | None) -> None:
    """Forward only."""
    if used is None:
        return
    behind = Q(last_activity_at=None) | Q(last_activity_at__lt=used)
    Cluster.objects.running().filter(behind, pk=pk).update(
        last_activity_at=used, idle_warned_at=None
    )


def evidence_refresh(*, cluster: Cluster, now: datetime) -> None:
    """One more look at one cluster, before its timer acts on it."""
    attached = Notebook.objects.running().filter(attachments__cluster=cluster)
    signs = signs_look([cluster], notebooks_look(attached))
    evidence_record(signs=signs, now=now)
    cluster.refresh_from_db(fields=["last_activity_at", "idle_warned_at"])
