"""What the queue may run by name."""

from __future__ import annotations

import logging
from collections import defaultdict
from datetime import UTC, datetime

from django.utils import timezone

from clusters.models import Cluster
from clusters.services import (
    attachments_renew,
    attachments_settle,
    cluster_mark_lost,
    evidence_record,
    idle_act,
    idle_forget_future,
    idle_warn,
    packages_keep,
    signs_look,
)
from workspaces.clouds.base import CloudError, ClusterPhase
from workspaces.models import CloudConfiguration, Notebook
from workspaces.services import cloud_of, notebooks_look, notebooks_note_activity

logger = logging.getLogger(__name__)


def check_clusters() -> None:
    """Look once at all running clusters of each cloud configuration: settle those found dead, and
    note what was installed on the others.
    """
    by_cloud: dict[CloudConfiguration, list[Cluster]] = defaultdict(list)
    running = Cluster.objects.running().select_related(
        "workspace__organization", "workspace__cloud_configuration"
    )
    for cluster in running:
        by_cloud[cluster.workspace.cloud_configuration].append(cluster)
    for configuration, clusters in by_cloud.items():
        cloud = cloud_of(configuration)
        try:
            seen = cloud.observe_clusters([cluster.uuid for cluster in clusters])
        except CloudError as error:  # nobody knows: the next look decides
            logger.warning("clusters of %s: %s", configuration.uuid, error.message)
            continue
        for cluster in clusters:
            status = seen.get(cluster.uuid)
            if status is None or status.phase in (ClusterPhase.ABSENT, ClusterPhase.FAILED):
                _settle(cluster, status.message if status else "", status)
            else:
                packages_keep(cluster=cluster, cloud=cloud)


def _settle(cluster: Cluster, message: str, status: object) -> None:
    last_seen = getattr(status, "last_seen_at", None)
    at = datetime.fromtimestamp(last_seen, UTC) if last_seen else timezone.now()
    reason = message or "Its machines are gone."
    cluster_mark_lost(cluster=cluster, last_seen_at=at, reason=reason)


def run_idle_timers() -> None:
    """Warn of, and then do, what the idle timers ask for. Each cluster decides for itself, in its
    own transaction; one that fails does not keep the others.
    """
    now = timezone.now()
    idle_forget_future(now=now)
    rows = Cluster.objects.with_timers().select_related(
        "workspace__organization", "workspace__cloud_configuration", "created_by"
    )
    for cluster in rows:
        if not idle_act(cluster=cluster, now=now):
            idle_warn(cluster=cluster, now=now)


def settle_attachments() -> None:
    """Notebooks that ended hold no cluster; those that came up get the one they were made with."""
    attachments_settle(now=timezone.now())


def watch_use() -> None:
    """Look at what RUNNING clusters and notebook servers do, all at once, and write it down."""
    now = timezone.now()
    notebooks = list(
        Notebook.objects.running().select_related(
            "owner", "workspace__organization", "workspace__cloud_configuration"
        )
    )
    activities = notebooks_look(notebooks)
    notebooks_note_activity(activities=activities, now=now)
    for notebook in notebooks:
        if activity := activities[notebook.pk]:
            names = [kernel.name for kernel in activity.kernels]
            try:
                attachments_renew(notebook=notebook, kernel_names=names, now=now)
            except CloudError as error:  # the next look tries again
                logger.warning("attachments of notebook %s: %s", notebook.uuid, error.message)
    clusters = list(Cluster.objects.running().select_related("workspace__cloud_configuration"))
    evidence_record(signs=signs_look(clusters, activities), now=now)
