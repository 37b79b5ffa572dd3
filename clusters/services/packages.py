"""What people installed on a cluster, kept in its row so that it outlives the machines."""

from __future__ import annotations

import logging

from clusters.models import Cluster
from clusters.services.requests import cluster_spec
from workspaces.clouds.base import Cloud, CloudError

logger = logging.getLogger(__name__)


def packages_keep(*, cluster: Cluster, cloud: Cloud) -> None:
    """Copy what is installed there now; called before anything of it ends, and now and then.

    A provider that can not tell keeps nobody from pausing: then the last copy counts.
    """
    if cluster.removal_requested_at is not None:  # removal forgets them
        return
    try:
        found = list(cloud.installed_packages(cluster_spec(cluster)))
    except CloudError as problem:
        logger.warning("Packages of cluster %s are not known: %s", cluster.uuid, problem)
        return
    if found != cluster.packages:
        cluster.packages = found
        Cluster.objects.filter(pk=cluster.pk, removal_requested_at=None).update(packages=found)
