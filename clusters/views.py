"""Pages of clusters."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from clusters.forms import ClusterForm
from clusters.models import Cluster
from clusters.services import (
    ClusterRefused,
    cluster_create,
    cluster_remove,
    cluster_remove_again,
    cluster_retry,
    cluster_spec,
)
from clusters.sizing import suggestions
from workspaces.guards import SpendingRefused
from workspaces.models import Operation, Workspace
from workspaces.operations import Actor, OperationConflict
from workspaces.permissions import HtmxOrgRequest, role_may, workspace_view
from workspaces.services import cloud_of


@workspace_view("cluster.view")
@require_GET
def cluster_list(request: HtmxOrgRequest, workspace: Workspace) -> HttpResponse:
    clusters = workspace.clusters.live().with_latest_operation()
    return render(
        request,
        "clusters/cluster_list.html",
        {"workspace": workspace, "clusters": clusters, **_rights(request)},
    )


@workspace_view("cluster.create")
def cluster_create_page(request: HtmxOrgRequest, workspace: Workspace) -> HttpResponse:
    initial = {
        name: request.GET[name]
        for name in ("instance_type", "node_count", "name")
        if name in request.GET
    }
    form = ClusterForm(request.POST or None, workspace=workspace, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            cluster = cluster_create(
                workspace=workspace, actor=Actor(request.user), **form.creation()
            )
        except (ClusterRefused, SpendingRefused) as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"Now creating cluster {cluster.name}")
            return redirect("clusters:list", workspace=workspace.uuid)
    return render(
        request,
        "clusters/cluster_form.html",
        {"workspace": workspace, "form": form, "suggestions": suggestions(form.offered)},
        status=422 if form.is_bound else 200,
    )


@workspace_view("cluster.view")
@require_GET
def cluster_row(request: HtmxOrgRequest, workspace: Workspace, cluster: UUID) -> HttpResponse:
    rows = workspace.clusters.with_latest_operation()
    context = {
        "workspace": workspace,
        "cluster": get_object_or_404(rows, uuid=cluster),
        **_rights(request),
    }
    return render(request, "clusters/cluster_list.html#cluster-summary", context)


@workspace_view("cluster.view")
@require_GET
def cluster_detail(request: HtmxOrgRequest, workspace: Workspace, cluster: UUID) -> HttpResponse:
    context = _detail(request, workspace, cluster)
    return render(request, "clusters/cluster_detail.html", context)


@workspace_view("cluster.view")
@require_GET
def cluster_panel(request: HtmxOrgRequest, workspace: Workspace, cluster: UUID) -> HttpResponse:
    context = _detail(request, workspace, cluster)
    return render(request, "clusters/cluster_detail.html#cluster-panel", context)


@workspace_view("cluster.remove")
@require_POST
def cluster_remove_action(
    request: HtmxOrgRequest, workspace: Workspace, cluster: UUID
) -> HttpResponse:
    found = _cluster(workspace, cluster)
    try:
        asked = cluster_remove(cluster=found, actor=Actor(request.user))
        if asked is None and found.state == Cluster.State.FAILED:
            cluster_remove_again(cluster=found, actor=Actor(request.user))
    except OperationConflict as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"Now removing cluster {found.name}")
    return redirect("clusters:list", workspace=workspace.uuid)


@workspace_view("cluster.retry")
@require_POST
def cluster_retry_action(
    request: HtmxOrgRequest, workspace: Workspace, cluster: UUID
) -> HttpResponse:
    found = _cluster(workspace, cluster)
    try:
        cluster_retry(cluster=found, actor=Actor(request.user))
    except (ClusterRefused, SpendingRefused, OperationConflict) as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"Now creating cluster {found.name} again")
    return redirect("clusters:detail", workspace=workspace.uuid, cluster=found.uuid)


def _cluster(workspace: Workspace, uuid: UUID) -> Cluster:
    rows = Cluster.objects.select_related(
        "workspace__organization", "workspace__cloud_configuration"
    )
    return get_object_or_404(rows, workspace=workspace, uuid=uuid)


def _rights(request: HtmxOrgRequest) -> dict[str, bool]:
    return {
        "may_create": role_may(request.role, "cluster.create"),
        "may_remove": role_may(request.role, "cluster.remove"),
        "may_retry": role_may(request.role, "cluster.retry"),
    }


def _detail(request: HtmxOrgRequest, workspace: Workspace, uuid: UUID) -> dict[str, object]:
    rows = workspace.clusters.with_latest_operation().select_related(
        "workspace__cloud_configuration", "created_by"
    )
    cluster = get_object_or_404(rows, uuid=uuid)
    cloud = cloud_of(cluster.workspace.cloud_configuration)
    spec = cluster_spec(cluster)
    hostfile = cloud.hostfile_path(spec)
    launch = f"mpiexec -n {spec.core_count} -f {hostfile}"
    return {
        "workspace": workspace,
        "cluster": cluster,
        "nodes": cluster.nodes.all(),
        "operations": Operation.objects.for_target(uuid).prefetch_related("events"),
        "intervals": cluster.usage_intervals.all(),
        "leases": cluster.leases.all(),
        "memory_bytes": cluster.memory_mib_per_node * 1024**2,
        "hostfile": hostfile,
        "hostname_line": f"{launch} hostname",
        "version_line": f"{launch} python --version",
        "setup_lines": cloud.shell_setup(spec),
        "notices": cloud.notices(),
        **_rights(request),
    }
