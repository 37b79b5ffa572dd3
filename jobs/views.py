"""Pages of jobs and their logs."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid5

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse, HttpResponseBadRequest
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from clusters.models import Cluster
from clusters.services import ClusterRefused, Extras, cluster_create
from jobs.forms import JobForm, VariableFormSet, variables_of
from jobs.models import Job
from jobs.services import JobRefused, job_cancel, job_create
from workspaces.guards import SpendingRefused
from workspaces.models import Operation, Workspace
from workspaces.operations import Actor
from workspaces.permissions import HtmxOrgRequest, role_may, workspace_view
from workspaces.services import cloud_of

LOG_CHUNK_BYTES = 100_000


@workspace_view("job.view")
@require_GET
def job_list(request: HtmxOrgRequest, workspace: Workspace) -> HttpResponse:
    jobs = workspace.jobs.select_related("cluster")[:100]
    context = {"workspace": workspace, "jobs": jobs, **_rights(request)}
    return render(request, "jobs/job_list.html", context)


@workspace_view("job.create")
def job_create_page(request: HtmxOrgRequest, workspace: Workspace) -> HttpResponse:
    form = JobForm(request.POST or None, workspace=workspace, initial=request.GET.dict())
    variables = VariableFormSet(_with_one_more(request) if request.POST else None)
    is_submit = request.method == "POST" and "add_variable" not in request.POST
    if (
        is_submit
        and form.is_valid()
        and variables.is_valid()
        and _create(request, workspace, form, variables_of(variables))
    ):
        return redirect("jobs:list", workspace=workspace.uuid)
    return render(
        request,
        "jobs/job_form.html",
        {"workspace": workspace, "form": form, "variables": variables},
        status=422 if is_submit else 200,
    )


def _with_one_more(request: HtmxOrgRequest) -> Any:  # noqa: ANN401 - a QueryDict, or a changed copy
    """ADD MORE without JavaScript: the same form again with one more row, nothing lost."""
    if "add_variable" not in request.POST:
        return request.POST
    data = request.POST.copy()
    total = data.get("form-TOTAL_FORMS", "1")
    data["form-TOTAL_FORMS"] = str(int(total) + 1) if total.isdigit() else "2"
    return data


def _create(
    request: HtmxOrgRequest, workspace: Workspace, form: JobForm, variables: dict[str, str]
) -> Job | None:
    """Job and, if asked for, its own cluster, together or not at all."""
    actor = Actor(request.user)
    data = form.cleaned_data
    try:
        with transaction.atomic():
            cluster = data["cluster"] or _cluster_for_job(workspace, data, actor)
            job = job_create(
                uuid=data["uuid"],
                workspace=workspace,
                name=data["name"],
                cluster=cluster,
                command=data["command"],
                source_url=data["source_url"],
                environment=variables,
                timeout_minutes=data["timeout_minutes"],
                actor=actor,
            )
    except (ClusterRefused, JobRefused, SpendingRefused) as error:
        form.add_error(None, str(error))
        return None
    for notice in form.notices:
        messages.info(request, notice)
    messages.success(request, f"Now running job {job.name}")
    return job


def _cluster_for_job(workspace: Workspace, data: dict[str, Any], actor: Actor) -> Cluster:
    """V16: it appears in Clusters under the job's name."""
    if earlier := Job.objects.filter(uuid=data["uuid"], workspace=workspace).first():
        return earlier.cluster
    taken = Cluster.objects.live().filter(workspace=workspace, name__iexact=data["name"])
    name = f"{data['name'][:70]} {str(data['uuid'])[:8]}" if taken.exists() else data["name"]
    return cluster_create(
        uuid=uuid5(data["uuid"], "cluster"),  # a second submit names the same one
        workspace=workspace,
        name=name,
        instance_type=data["instance_type"],
        node_count=data["node_count"],
        bodo_version=data["bodo_version"],
        extras=Extras(is_dedicated=True),
        actor=actor,
    )


@workspace_view("job.view")
@require_GET
def job_row(request: HtmxOrgRequest, workspace: Workspace, job: UUID) -> HttpResponse:
    context = {"workspace": workspace, "job": _job(workspace, job), **_rights(request)}
    return render(request, "jobs/job_list.html#job-summary", context)


@workspace_view("job.view")
@require_GET
def job_detail(request: HtmxOrgRequest, workspace: Workspace, job: UUID) -> HttpResponse:
    return render(request, "jobs/job_detail.html", _detail(request, workspace, job))


@workspace_view("job.view")
@require_GET
def job_panel(request: HtmxOrgRequest, workspace: Workspace, job: UUID) -> HttpResponse:
    """Facts and log box; ``?part=facts`` is what polls itself, so that an open log stays open."""
    part = "job-facts" if request.GET.get("part") == "facts" else "job-panel"
    return render(request, f"jobs/job_detail.html#{part}", _detail(request, workspace, job))


@workspace_view("job.view")
@require_GET
def job_log(request: HtmxOrgRequest, workspace: Workspace, job: UUID) -> HttpResponse:
    """Whole lines from byte ``offset`` on; a fragment for HTMX, a page without it."""
    offset = request.GET.get("offset", "0")
    if not offset.isdigit():
        return HttpResponseBadRequest("offset must be a whole number of bytes")
    found = _job(workspace, job)
    cloud = cloud_of(workspace.cloud_configuration)
    chunk = cloud.read_log(found.uuid, offset=int(offset), max_bytes=LOG_CHUNK_BYTES)
    is_all = chunk.is_complete or found.started_at is None  # what never ran writes no log
    context = {
        "workspace": workspace,
        "job": found,
        "chunk": chunk,
        "is_following": found.is_unsettled or not is_all,
        "has_more": chunk.next_offset - chunk.offset > LOG_CHUNK_BYTES // 2,
    }
    fragment = "#log-more" if "more" in request.GET else "#log-lines"
    return render(request, f"jobs/job_log.html{fragment if request.htmx else ''}", context)


@workspace_view("job.cancel")
@require_POST
def job_cancel_action(request: HtmxOrgRequest, workspace: Workspace, job: UUID) -> HttpResponse:
    found = _job(workspace, job)
    if job_cancel(job=found, actor=Actor(request.user)):
        messages.success(request, f"Now cancelling job {found.name}")
    else:
        messages.info(request, f"Job {found.name} has ended already.")
    return redirect("jobs:detail", workspace=workspace.uuid, job=found.uuid)


def _job(workspace: Workspace, uuid: UUID) -> Job:
    rows = Job.objects.select_related("cluster", "created_by", "workspace__organization")
    return get_object_or_404(rows, workspace=workspace, uuid=uuid)


def _rights(request: HtmxOrgRequest) -> dict[str, bool]:
    return {
        "may_create": role_may(request.role, "job.create"),
        "may_cancel": role_may(request.role, "job.cancel"),
    }


def _detail(request: HtmxOrgRequest, workspace: Workspace, uuid: UUID) -> dict[str, object]:
    job = _job(workspace, uuid)
    return {
        "workspace": workspace,
        "job": job,
        "variable_names": sorted(job.environment),
        "operations": Operation.objects.for_target(uuid).prefetch_related("events"),
        **_rights(request),
    }
