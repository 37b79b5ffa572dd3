"""Pages of clusters."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse, HttpResponseBadRequest
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from clusters.filters import ClusterFilter, is_uuid
from clusters.forms import ClusterEditForm, ClusterForm
from clusters.idle import with_outlook
from clusters.models import Cluster, ClusterQuerySet
from clusters.services import (
    ClusterRefused,
    cluster_act,
    cluster_create,
    cluster_edit,
    cluster_remove,
    cluster_remove_again,
    cluster_reshape,
    cluster_retry,
    cluster_scale,
    cluster_snooze,
    cluster_spec,
    cluster_verify,
)
from clusters.sizing import suggestions
from workspaces.guards import SpendingRefused
from workspaces.models import Operation, Workspace
from workspaces.operations import Actor, OperationConflict
from workspaces.permissions import HtmxOrgRequest, role_may, workspace_view
from workspaces.services import cloud_of

REFUSALS = (ClusterRefused, SpendingRefused, OperationConflict)
BULK_VERBS = {
    "pause": "Now pausing",
    "resume": "Now resuming",
    "stop": "Now stopping",
    "start": "Now starting",
    "restart": "Now restarting",
    "remove": "Now removing",
}
SHOWN_OPERATIONS = 20


@workspace_view("cluster.view")
@require_GET
def cluster_list(request: HtmxOrgRequest, workspace: Workspace) -> HttpResponse:
    form = ClusterFilter(request.GET or {"tab": "all"})
    page = form.clusters(workspace.clusters.all())
    context = {
        "workspace": workspace,
        "filter": form,
        "page": page,
        "clusters": with_outlook(page.object_list, timezone.now()),
        "tabs": form.tabs(),
        "bulk_verbs": BULK_VERBS,
        **_rights(request),
    }
    return render(request, "clusters/cluster_list.html", context)


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
    found = get_object_or_404(rows, uuid=cluster)
    (found,) = with_outlook([found], timezone.now())
    context = {"workspace": workspace, "cluster": found, **_rights(request)}
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


@workspace_view("cluster.change")
@require_POST
def cluster_act_action(
    request: HtmxOrgRequest, workspace: Workspace, cluster: UUID, verb: str
) -> HttpResponse:
    """Pause, resume, stop, start, restart, verify or snooze."""
    found = _cluster(workspace, cluster)
    try:
        messages.success(request, _act(found, verb, Actor(request.user)))
    except REFUSALS as error:
        messages.error(request, str(error))
    return redirect("clusters:detail", workspace=workspace.uuid, cluster=found.uuid)


@workspace_view("cluster.change")
@require_POST
def cluster_bulk_action(request: HtmxOrgRequest, workspace: Workspace) -> HttpResponse:
    """One verb for every ticked cluster; what was refused is told one by one."""
    verb = request.POST.get("verb", "")
    if verb not in BULK_VERBS:
        return HttpResponseBadRequest("unknown verb")
    uuids = [uuid for uuid in request.POST.getlist("cluster") if is_uuid(uuid)]
    done = 0
    for found in _rows().filter(workspace=workspace, uuid__in=uuids):
        try:
            _act(found, verb, Actor(request.user))
            done += 1
        except REFUSALS as error:
            messages.error(request, str(error))
    if done or not uuids:
        word = f"{done} cluster{'' if done == 1 else 's'}"
        messages.success(request, f"{BULK_VERBS[verb]} {word}" if uuids else "Tick clusters first.")
    return redirect("clusters:list", workspace=workspace.uuid)


def _act(cluster: Cluster, verb: str, actor: Actor) -> str:
    """Do it; answers what to tell."""
    if verb == "snooze":
        until = cluster_snooze(cluster=cluster, now=timezone.now(), actor=actor)
        return f"{cluster.name} stays as it is until {until:%H:%M} UTC at least"
    if verb == "verify":
        cluster_verify(cluster=cluster, actor=actor)
        return f"Now verifying the connection to {cluster.name}"
    if verb == "remove":
        cluster_remove(cluster=cluster, actor=actor)
        return f"Now removing cluster {cluster.name}"
    cluster_act(cluster=cluster, verb=verb, actor=actor)
    return f"{BULK_VERBS[verb]} cluster {cluster.name}"


@workspace_view("cluster.change")
def cluster_edit_page(request: HtmxOrgRequest, workspace: Workspace, cluster: UUID) -> HttpResponse:
    found = _cluster(workspace, cluster)
    form = ClusterEditForm(request.POST or None, cluster=found)
    if request.method == "POST" and form.is_valid():
        try:
            _edit(found, form, Actor(request.user))
        except REFUSALS as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"Saved {found.name}")
            return redirect("clusters:detail", workspace=workspace.uuid, cluster=found.uuid)
    return render(
        request,
        "clusters/cluster_edit.html",
        {"workspace": workspace, "cluster": found, "form": form},
        status=422 if form.is_bound else 200,
    )


@transaction.atomic
def _edit(cluster: Cluster, form: ClusterEditForm, actor: Actor) -> None:
    """All of it or nothing: a refused scale leaves the name as it was, too."""
    data = form.cleaned_data
    plain = {key: data[key] for key in ("name", "description", "tags")}
    cluster_edit(cluster=cluster, timers=form.timers, actor=actor, **plain)
    if cluster.state == Cluster.State.STOPPED:
        cluster_reshape(
            cluster=cluster,
            instance_type=form.chosen_type(),
            node_count=data["node_count"],
            bodo_version=data["bodo_version"],
            actor=actor,
        )
    elif data["node_count"] != cluster.node_count:
        cluster_scale(cluster=cluster, node_count=data["node_count"], actor=actor)


def _rows() -> ClusterQuerySet:
    return Cluster.objects.select_related(
        "workspace__organization", "workspace__cloud_configuration", "created_by"
    )


def _cluster(workspace: Workspace, uuid: UUID) -> Cluster:
    return get_object_or_404(_rows(), workspace=workspace, uuid=uuid)


def _rights(request: HtmxOrgRequest) -> dict[str, bool]:
    return {
        f"may_{name}": role_may(request.role, f"cluster.{name}")
        for name in ("create", "remove", "retry", "change")
    }


def _detail(request: HtmxOrgRequest, workspace: Workspace, uuid: UUID) -> dict[str, object]:
    cluster = get_object_or_404(_rows().with_latest_operation(), workspace=workspace, uuid=uuid)
    now = timezone.now()
    (cluster,) = with_outlook([cluster], now)
    cloud = cloud_of(cluster.workspace.cloud_configuration)
    spec = cluster_spec(cluster)
    hostfile = cloud.hostfile_path(spec)
    launch = f"mpiexec -n {spec.core_count} -f {hostfile}"
    operations = Operation.objects.filter(target_uuid__in=(uuid, cluster.check_uuid))
    return {
        "workspace": workspace,
        "cluster": cluster,
        "nodes": cluster.nodes.all(),
        "operations": operations.prefetch_related("events")[:SHOWN_OPERATIONS],
        "is_verifying": operations.unsettled().filter(target_uuid=cluster.check_uuid).exists(),
        "evidence": cluster.evidence.all(),
        "has_timers": cluster.has_timers,
        "snooze": cluster.snoozed_until if (cluster.snoozed_until or now) > now else None,
        "intervals": cluster.usage_intervals.all(),
        "memory_bytes": cluster.memory_mib_per_node * 1024**2,
        "hostfile": hostfile,
        "hostname_line": f"{launch} hostname",
        "version_line": f"{launch} python --version",
        "setup_lines": cloud.shell_setup(spec),
        "notices": cloud.notices(),
        **_rights(request),
    }
