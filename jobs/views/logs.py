"""Pages of a job's log."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from django.http import HttpResponse, HttpResponseBadRequest, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from jobs.logs import LogPage, LogQuery, as_text, first_failure, read_backward, read_forward
from jobs.models import Job
from jobs.views.jobs import job_or_404
from workspaces.clouds.base import Cloud
from workspaces.models import Workspace
from workspaces.permissions import HtmxOrgRequest, workspace_view
from workspaces.services import cloud_of

STREAMS = ("stdout", "stderr", "platform")
# A reader who follows and is that far behind goes on at the end; what lies between is a click away.
SKIP_BYTES = 1_000_000


@workspace_view("job.view")
@require_GET
def job_log(request: HtmxOrgRequest, workspace: Workspace, job: UUID) -> HttpResponse:
    """From ``offset`` on, or what ends at ``before`` and begins at ``floor`` or later; without
    either the end of the log, or with a filter its first matches.
    """
    found = job_or_404(workspace, job)
    if found.log_removed_at:
        fragment = "#log-removed" if request.htmx else ""
        known = {"workspace": workspace, "job": found}
        return render(request, f"jobs/job_log.html{fragment}", known)
    try:
        query = _query(request, found)
        offset, before = _number(request, "offset"), _number(request, "before")
        floor = _number(request, "floor") or 0
    except ValueError:
        return HttpResponseBadRequest("Positions, rank and attempt are whole numbers.")
    cloud = cloud_of(workspace.cloud_configuration)
    page = _read(cloud, found.command_uuid_of(query.attempt), query, offset, before, floor)
    is_part = request.htmx and "more" in request.GET
    context = {
        "workspace": workspace,
        "job": found,
        "query": query,
        "page": page,
        "floor": floor if offset is None else offset,
        "is_backward": before is not None,
        "is_part": is_part,
        "is_following": _is_following(found, query, page),
        "attempts": range(1, found.attempt + 1),
        "streams": STREAMS,
        "failure": None if is_part else _failure(cloud, found, query),
    }
    fragment = "#log-more" if is_part else "#log-view"
    return render(request, f"jobs/job_log.html{fragment if request.htmx else ''}", context)


@workspace_view("job.view")
@require_GET
def job_log_download(request: HtmxOrgRequest, workspace: Workspace, job: UUID) -> HttpResponse:
    found = job_or_404(workspace, job)
    if found.log_removed_at:
        return HttpResponse(found.log_removal_words, status=410, content_type="text/plain")
    try:
        query = _query(request, found)
    except ValueError:
        return HttpResponseBadRequest("The attempt is a whole number.")
    cloud = cloud_of(workspace.cloud_configuration)
    text = as_text(cloud, found.command_uuid_of(query.attempt))
    response = StreamingHttpResponse(text, content_type="text/plain; charset=utf-8")
    name = f"job-{found.uuid}-attempt-{query.attempt}.log"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return cast("HttpResponse", response)  # what decorators do, they do to both


def _number(request: HtmxOrgRequest, name: str) -> int | None:
    """Raises ValueError."""
    text = request.GET.get(name, "")
    if text and not (text.isascii() and text.isdigit() and len(text) < 16):
        raise ValueError(name)
    return int(text) if text else None


def _query(request: HtmxOrgRequest, job: Job) -> LogQuery:
    """Raises ValueError."""
    attempt = _number(request, "attempt") or job.attempt
    stream = request.GET.get("stream", "")
    return LogQuery(
        attempt=min(attempt, job.attempt),
        rank=_number(request, "rank"),
        stream=stream if stream in STREAMS else "",
        words=request.GET.get("q", "").replace("\0", "")[:200],
        is_folded=request.GET.get("fold") != "no",
    )


def _read(
    cloud: Cloud,
    command: UUID,
    query: LogQuery,
    offset: int | None,
    before: int | None,
    floor: int,
) -> LogPage:
    if before is not None:
        return read_backward(cloud, command, query, before=before, floor=floor)
    if query.is_filtered:
        return read_forward(cloud, command, query, offset or 0)
    if offset is not None:
        page = read_forward(cloud, command, query, offset)
        if page.size - page.next_offset < SKIP_BYTES:
            return page
        return read_backward(cloud, command, query, before=None, floor=offset)
    return read_backward(cloud, command, query, before=None)


def _is_following(job: Job, query: LogQuery, page: LogPage) -> bool:
    """More may come: this attempt still runs, or has not begun. What never ran writes no log, nor
    what was prepared when its cluster went away.
    """
    if query.attempt < job.attempt or page.is_complete:
        return False
    has_run = job.started_at is not None and (page.size > 0 or job.exit_code is not None)
    return job.is_unsettled or has_run


def _failure(cloud: Cloud, job: Job, query: LogQuery) -> object:
    is_failed = job.status == "FAILED" or query.attempt < job.attempt
    return first_failure(cloud, job.command_uuid_of(query.attempt)) if is_failed else None
