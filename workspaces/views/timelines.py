"""The timeline as a page: of an organization, a workspace, or (``?target=``) of one thing."""

from __future__ import annotations

from http import HTTPStatus

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from workspaces.models import Organization, TimelineEntry, Workspace
from workspaces.permissions import HtmxOrgRequest, organization_view, role_may, workspace_view
from workspaces.sentences import sentence_of
from workspaces.timeline_forms import TimelineFilterForm

PAGE_LENGTH = 25


@organization_view("organization_timeline.view")
@require_GET
def organization_timeline(request: HtmxOrgRequest, organization: Organization) -> HttpResponse:
    """With that of every workspace: whoever may see it manages them all."""
    url = reverse("timeline:organization", args=[organization.uuid])
    return _timeline(request, organization.timeline.all(), organization.name, url)


@workspace_view("timeline.view")
@require_GET
def workspace_timeline(request: HtmxOrgRequest, workspace: Workspace) -> HttpResponse:
    url = reverse("timeline:workspace", args=[workspace.uuid])
    entries = workspace.timeline.all()
    if not role_may(request.role, "member.invite"):  # addresses of people who are not in it
        entries = entries.exclude(action__startswith="invitation.")
    return _timeline(request, entries, workspace.name, url)


def _timeline(
    request: HtmxOrgRequest, entries: QuerySet[TimelineEntry], name: str, url: str
) -> HttpResponse:
    form = TimelineFilterForm(request.GET, entries=entries)
    is_valid = form.is_valid()
    found = form.chosen(entries) if is_valid else entries.none()
    rows = found.select_related("actor", "workspace")
    page = Paginator(rows, PAGE_LENGTH).get_page(request.GET.get("page"))
    target = form.cleaned_data.get("target")
    newest = entries.filter(target_uuid=target).first() if target else None
    return render(
        request,
        "workspaces/timeline.html",
        {
            "name": name,
            "url": url,
            "form": form,
            "page": page,
            "sentences": [sentence_of(entry) for entry in page.object_list],
            "target": target,
            "target_name": newest.target_name if newest else "",
            "shows_workspace": request.workspace is None,
        },
        status=HTTPStatus.OK if is_valid else HTTPStatus.UNPROCESSABLE_ENTITY,
    )
