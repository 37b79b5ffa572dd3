"""What the notebook pages, a floor below, show of clusters; named in the settings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from uuid import UUID

from clusters.models import Cluster, NotebookAttachment
from clusters.services import attachable_clusters
from workspaces.models import Notebook, Workspace


def cluster_choices(workspace: Workspace) -> list[tuple[UUID, str]]:
    """(uuid, label) of what Create Notebook offers under Cluster (F036)."""
    return [
        (cluster.uuid, f"{cluster.name} (Bodo {cluster.bodo_version}, {cluster.state})")
        for cluster in attachable_clusters(workspace)
    ]


def cluster_names(notebooks: Collection[Notebook]) -> dict[UUID, str]:
    """What each is attached to, or was made for; Detached ones are missing. Two queries."""
    names: dict[UUID, list[str]] = defaultdict(list)
    attachments = NotebookAttachment.objects.filter(notebook__in=[row.pk for row in notebooks])
    for attachment in attachments.select_related("cluster", "notebook").order_by("cluster__name"):
        names[attachment.notebook.uuid].append(attachment.cluster.name)
    wanted = {row.preferred_cluster for row in notebooks if row.preferred_cluster}
    waiting = dict(Cluster.objects.live().filter(uuid__in=wanted).values_list("uuid", "name"))
    for row in notebooks:
        if row.uuid not in names and row.preferred_cluster in waiting:
            names[row.uuid].append(waiting[row.preferred_cluster])
    return {uuid: ", ".join(found) for uuid, found in names.items()}
