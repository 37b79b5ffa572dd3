"""Pages of a job's log."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse, HttpResponseBadRequest
from django.shortcuts import render
from django.views.decorators.http import require_GET

from jobs.views.jobs import job_or_404
from workspaces.models import Workspace
from workspaces.permissions import HtmxOrgRequest, workspace_view
from workspaces.services import cloud_of

LOG_CHUNK_BYTES = 100_000


@workspace_view("job.view")
@require_GET
def job_log(request: HtmxOrgRequest, workspace: Workspace, job: UUID) -> HttpResponse:
    """Whole lines from byte ``offset`` on; a fragment for HTMX, a page without it."""
    offset = request.GET.get("offset", "0")
    if not offset.isdigit():
        return HttpResponseBadRequest("offset must be a whole number of bytes")
    found = job_or_404(workspace, job)
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
