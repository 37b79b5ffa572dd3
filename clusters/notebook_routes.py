"""What the selector in JupyterLab asks on the notebook's own origin (F120).

The proxy has found out who visits whose server, and that the request comes from that origin. The
rest is asked here, each time: what the visitor's role allows at this moment, in the workspace of
that notebook and in no other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.urls import reverse
from django.utils import timezone

from clusters.evidence import kernel_name
from clusters.idle import with_outlook
from clusters.models import Cluster
from clusters.services import (
    ClusterRefused,
    attachable_clusters,
    cluster_act,
    in_use_sentence,
    notebook_attach,
    notebook_detach,
    why_not_attachable,
)
from workspaces.guards import SpendingRefused
from workspaces.notebooks.access import Visit
from workspaces.operations import Actor, OperationConflict
from workspaces.permissions import role_may, workspace_role

REFUSALS = (ClusterRefused, SpendingRefused, OperationConflict)
ON_THE_WAY = (Cluster.State.INITIALIZING, Cluster.State.RUNNING)
NO_RIGHT = "Your role in this workspace does not allow that. Ask one of its Admins."
NO_CLUSTER = "This workspace has no such cluster any more. Choose another one."


Body = Mapping[str, Any]  # what a browser sent as JSON
Answer = tuple[int, dict[str, Any]]
Handler = Callable[[Visit, str, Body], Answer]


def _route(method: str, action: str) -> Callable[[Callable[[Visit, Body], Answer]], Handler]:
    """Answers {"message": sentence}: 405 to another method, 403 without the right, 404 where there
    is no such cluster, 409 to what is refused.
    """

    def decorate(handler: Callable[[Visit, Body], Answer]) -> Handler:
        @wraps(handler)
        def guarded(visit: Visit, asked: str, body: Body) -> Answer:
            if asked != method:
                return 405, {"message": f"Ask with {method}."}
            if not _may(visit, action):
                return 403, {"message": NO_RIGHT}
            try:
                return handler(visit, body)
            except PermissionDenied:
                return 403, {"message": NO_RIGHT}
            except Cluster.DoesNotExist:
                return 404, {"message": NO_CLUSTER}
            except REFUSALS as error:
                return 409, {"message": str(error)}

        return guarded

    return decorate


def _may(visit: Visit, action: str) -> bool:
    return role_may(workspace_role(visit.user, visit.notebook.workspace), action)


def _cluster(visit: Visit, body: Body) -> Cluster:
    """Raises Cluster.DoesNotExist, also for what is no uuid and for other workspaces'."""
    try:
        uuid = UUID(str(body.get("cluster")))
    except ValueError as error:
        raise Cluster.DoesNotExist from error
    rows = attachable_clusters(visit.notebook.workspace)
    return rows.select_related("workspace__organization").get(uuid=uuid)


@_route("GET", "cluster.view")
def cluster_list(visit: Visit, body: Body) -> Answer:
    notebook = visit.notebook
    attached = set(notebook.attachments.values_list("cluster_id", flat=True))
    may_resume = _may(visit, "cluster.change")
    rows = with_outlook(attachable_clusters(notebook.workspace), timezone.now())
    path = reverse("clusters:list", args=[notebook.workspace.uuid])
    preferred = notebook.preferred_cluster
    return 200, {
        "clusters": [_described(row, row.pk in attached, may_resume) for row in rows],
        "preferred": str(preferred) if preferred else None,
        "workspace": notebook.workspace.name,
        "url": f"{settings.PUBLIC_URL}{path}",
    }


def _described(cluster: Cluster, is_attached: bool, may_resume: bool) -> dict[str, Any]:
    has_job = bool(cluster.leases_now)  # type: ignore[attr-defined]  # with_outlook sets it
    why_not = why_not_attachable(cluster) or (in_use_sentence(cluster) if has_job else "")
    return {
        "uuid": str(cluster.uuid),
        "name": cluster.name,
        "bodo_version": cluster.bodo_version,
        "state": cluster.state,
        "reason": cluster.state_reason,
        "kernel": kernel_name(cluster.uuid),
        "is_attached": is_attached,
        "can_attach": not why_not,
        "why_not": why_not,
        "can_resume": may_resume and cluster.state == Cluster.State.PAUSED,
    }


@_route("POST", "notebook.open")
def attach(visit: Visit, body: Body) -> Answer:
    cluster = _cluster(visit, body)
    kernel = notebook_attach(
        notebook=visit.notebook, cluster=cluster, user=visit.user, now=timezone.now()
    )
    return 200, {"kernel": kernel, "name": cluster.name}


@_route("POST", "notebook.open")
def detach(visit: Visit, body: Body) -> Answer:
    notebook_detach(notebook=visit.notebook, cluster=_cluster(visit, body), user=visit.user)
    return 200, {}


@_route("POST", "cluster.change")
def resume(visit: Visit, body: Body) -> Answer:
    """Answers at once; ``state`` says in the list when it is RUNNING. Asking twice is once."""
    cluster = _cluster(visit, body)
    if cluster.state not in ON_THE_WAY:
        cluster_act(cluster=cluster, verb="resume", actor=Actor(visit.user))
    return 202, {"name": cluster.name}


ROUTES: dict[str, Handler] = {
    "/_bodoweb/clusters": cluster_list,
    "/_bodoweb/attach": attach,
    "/_bodoweb/detach": detach,
    "/_bodoweb/resume": resume,
}
