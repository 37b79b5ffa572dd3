"""Pages of jobs: list, form, details, and what may be asked of one."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from django.contrib import messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from clusters.models import Cluster
from clusters.services import ClusterRefused
from jobs.forms import JobForm, VariableFormSet, initial_of, variables_of
from jobs.models import Job
from jobs.services import JobRefused, cluster_for_job, job_cancel, job_create, job_run_again
from workspaces.guards import SpendingRefused
from workspaces.models import Operation, Workspace
from workspaces.operations import Actor
from workspaces.permissions import HtmxOrgRequest, role_may, workspace_view


@workspace_view("job.view")
@require_GET
def job_list(request: HtmxOrgRequest, workspace: Workspace) -> HttpResponse:
    jobs = workspace.jobs.select_related("cluster")[:100]
    context = {"workspace": workspace, "jobs": jobs, "now": timezone.now(), **_rights(request)}
    return render(request, "jobs/job_list.html", context)


@workspace_view("job.create")
def job_create_page(request: HtmxOrgRequest, workspace: Workspace) -> HttpResponse:
    """``?again=<uuid>`` fills the form as that job's was, without its secrets."""
    old = _job_of_query(request, workspace)
    initial = initial_of(old) if old else request.GET.dict()
    form = JobForm(request.POST or None, workspace=workspace, initial=initial)
    names = [{"key": key} for key in sorted(old.environment)] if old else None
    variables = VariableFormSet(_with_one_more(request) if request.POST else None, initial=names)
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
        {"workspace": workspace, "form": form, "variables": variables, "old": old},
        status=422 if is_submit else 200,
    )


def _job_of_query(request: HtmxOrgRequest, workspace: Workspace) -> Job | None:
    try:
        uuid = UUID(request.GET.get("again", ""))
    except ValueError:
        return None
    return _jobs(workspace).filter(uuid=uuid).first()


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
    try:
        with transaction.atomic():
            cluster = form.cleaned_data["cluster"] or _new_cluster(workspace, form, actor)
            job = job_create(
                workspace=workspace,
                cluster=cluster,
                environment=variables,
                actor=actor,
                **form.creation(),
            )
    except (ClusterRefused, JobRefused, SpendingRefused) as error:
        form.add_error(None, str(error))
        return None
    for notice in form.notices:
        messages.info(request, notice)
    messages.success(request, _now_doing(job))
    return job


def _new_cluster(workspace: Workspace, form: JobForm, actor: Actor) -> Cluster:
    data = form.cleaned_data
    return cluster_for_job(
        job_uuid=data["uuid"],
        job_name=data["name"],
        workspace=workspace,
        instance_type=data["instance_type"],
        node_count=data["node_count"],
        bodo_version=data["bodo_version"],
        actor=actor,
    )


def _now_doing(job: Job) -> str:
    if job.scheduled_at:
        words = f"Job {job.name} begins on {job.schedule_words}"
        return (
            f"{words}; {job.cluster.name} will be resumed then" if job.is_to_wake_cluster else words
        )
    return f"Now running job {job.name}"


@workspace_view("job.view")
@require_GET
def job_row(request: HtmxOrgRequest, workspace: Workspace, job: UUID) -> HttpResponse:
    found = job_or_404(workspace, job)
    context = {"workspace": workspace, "job": found, "now": timezone.now(), **_rights(request)}
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


@workspace_view("job.cancel")
@require_POST
def job_cancel_action(request: HtmxOrgRequest, workspace: Workspace, job: UUID) -> HttpResponse:
    found = job_or_404(workspace, job)
    if job_cancel(job=found, actor=Actor(request.user)):
        messages.success(request, f"Now cancelling job {found.name}")
    else:
        messages.info(request, f"Job {found.name} has ended already.")
    return redirect("jobs:detail", workspace=workspace.uuid, job=found.uuid)


@workspace_view("job.create")
@require_POST
def job_again(request: HtmxOrgRequest, workspace: Workspace, job: UUID) -> HttpResponse:
    """The same once more; where that can not be, its form with a sentence why."""
    found = job_or_404(workspace, job)
    try:
        uuid = UUID(request.POST.get("uuid", ""))
    except ValueError:
        uuid = uuid4()
    try:
        new = job_run_again(uuid=uuid, job=found, actor=Actor(request.user))
    except (ClusterRefused, JobRefused, SpendingRefused) as error:
        messages.error(request, str(error))
        form = reverse("jobs:create", args=[workspace.uuid])
        return redirect(f"{form}?again={found.uuid}")
    messages.success(request, _now_doing(new))
    return redirect("jobs:detail", workspace=workspace.uuid, job=new.uuid)


def _jobs(workspace: Workspace) -> QuerySet[Job]:
    rows = Job.objects.filter(workspace=workspace)
    return rows.select_related(
        "cluster__workspace", "created_by", "workspace__organization", "workspace"
    )


def job_or_404(workspace: Workspace, uuid: UUID) -> Job:
    return get_object_or_404(_jobs(workspace), uuid=uuid)


def _rights(request: HtmxOrgRequest) -> dict[str, bool]:
    return {
        "may_create": role_may(request.role, "job.create"),
        "may_cancel": role_may(request.role, "job.cancel"),
    }


def _detail(request: HtmxOrgRequest, workspace: Workspace, uuid: UUID) -> dict[str, object]:
    job = job_or_404(workspace, uuid)
    removal = None
    if job.cluster.is_dedicated:
        removals = Operation.objects.for_target(job.cluster.uuid).filter(kind="cluster.remove")
        removal = removals.first()
    return {
        "workspace": workspace,
        "job": job,
        "now": timezone.now(),
        "new_uuid": uuid4(),
        "attempts": list(job.attempts.all()),
        "removal": removal,
        "is_live": job.is_unsettled or (removal is not None and removal.is_open),
        "variable_names": sorted(job.environment),
        "operations": Operation.objects.for_target(uuid).prefetch_related("events"),
        **_rights(request),
    }
