"""Pages of notebook servers: one's own, My Notebook, and all of a workspace under its settings."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from workspaces.guards import SpendingRefused
from workspaces.models import Notebook, Operation, Workspace
from workspaces.models.notebooks import NotebookQuerySet
from workspaces.notebook_forms import NotebookDefaultsForm, NotebookForm
from workspaces.notebook_rights import may_change, may_open
from workspaces.notebook_rows import NotebookRow, notebook_rows
from workspaces.notebooks.access import ticket_issue
from workspaces.operations import Actor, OperationConflict
from workspaces.permissions import HtmxOrgRequest, role_may, workspace_view
from workspaces.services import (
    NotebookRefused,
    cloud_of,
    notebook_act,
    notebook_create,
    notebook_defaults_set,
    notebook_ensure_default,
    notebook_mark_used,
    notebook_remove,
)

REFUSALS = (NotebookRefused, SpendingRefused, OperationConflict)
PAGE_LENGTH = 25
SHOWN_OPERATIONS = 20
NOW_DOING = {
    "pause": "pausing",
    "resume": "resuming",
    "start": "starting",
    "restart": "restarting",
    "reset": "resetting",
}


# One's own --------------------------------------------------------------------------------------


@workspace_view("notebook.view")
@require_GET
def notebook_list(request: HtmxOrgRequest, workspace: Workspace) -> HttpResponse:
    own = _rows(workspace).live().own(request.user)
    context = _page(request, workspace, own)
    return render(request, "workspaces/notebook_list.html", context)


@workspace_view("notebook.create")
def notebook_create_page(request: HtmxOrgRequest, workspace: Workspace) -> HttpResponse:
    form = NotebookForm(request.POST or None, workspace=workspace, user=request.user)
    if request.method == "POST" and form.is_valid():
        try:
            made = notebook_create(
                workspace=workspace,
                owner=request.user,
                actor=Actor(request.user),
                **form.cleaned_data,
            )
        except REFUSALS as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"Now creating notebook {made.name}")
            return redirect("notebooks:list", workspace=workspace.uuid)
    return render(
        request,
        "workspaces/notebook_form.html",
        {"workspace": workspace, "form": form, "container": form.cloud.notebook_container()},
        status=422 if form.is_bound else 200,
    )


@workspace_view("notebook.view")
@require_GET
def notebook_row(request: HtmxOrgRequest, workspace: Workspace, notebook: UUID) -> HttpResponse:
    (row,) = _shown(request, [_notebook(workspace, notebook)])
    context = {
        "workspace": workspace,
        "row": row,
        "container": _container(workspace),
        "is_manager": "manager" in request.GET,
    }
    return render(request, "workspaces/notebook_list.html#notebook-summary", context)


@workspace_view("notebook.view")
@require_GET
def notebook_detail(request: HtmxOrgRequest, workspace: Workspace, notebook: UUID) -> HttpResponse:
    context = _detail(request, workspace, notebook)
    return render(request, "workspaces/notebook_detail.html", context)


@workspace_view("notebook.view")
@require_GET
def notebook_panel(request: HtmxOrgRequest, workspace: Workspace, notebook: UUID) -> HttpResponse:
    context = _detail(request, workspace, notebook)
    return render(request, "workspaces/notebook_detail.html#notebook-panel", context)


@workspace_view("notebook.open")
@require_POST
def notebook_open_action(
    request: HtmxOrgRequest, workspace: Workspace, notebook: UUID
) -> HttpResponse:
    """On to its own host with a ticket, which is good once and briefly (F039, F040)."""
    found, now = _notebook(workspace, notebook), timezone.now()
    if not may_open(request.user, request.role, found):
        raise PermissionDenied
    if not found.is_open:
        messages.error(request, f"{found.name} is {found.status}. It opens once it is FINISHED.")
        return redirect("notebooks:detail", workspace=workspace.uuid, notebook=found.uuid)
    notebook_mark_used(notebook=found, now=now)
    url = ticket_issue(
        notebook=found,
        user=request.user,
        session_key=request.session.session_key or "",
        session_hash=request.user.get_session_auth_hash(),
        now=now,
    )
    return HttpResponseRedirect(url, status=HTTPStatus.SEE_OTHER)


@workspace_view("notebook.change")
@require_POST
def notebook_act_action(
    request: HtmxOrgRequest, workspace: Workspace, notebook: UUID, verb: str
) -> HttpResponse:
    """Pause, resume, start again, restart or reset."""
    found = _changeable(request, workspace, notebook)
    try:
        notebook_act(notebook=found, verb=verb, actor=Actor(request.user))
    except REFUSALS as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"Now {NOW_DOING[verb]} notebook {found.name}")
    return redirect(_back(request, found))


@workspace_view("notebook.change")
@require_POST
def notebook_remove_action(
    request: HtmxOrgRequest, workspace: Workspace, notebook: UUID
) -> HttpResponse:
    found = _changeable(request, workspace, notebook)
    notebook_remove(notebook=found, actor=Actor(request.user))
    messages.success(request, f"Now removing notebook {found.name}")
    return redirect(_back(request, found))


# My Notebook ------------------------------------------------------------------------------------


@workspace_view("notebook.create")
@require_GET
def my_notebook(request: HtmxOrgRequest, workspace: Workspace) -> HttpResponse:
    context = {"workspace": workspace, "my": my_notebook_context(request, workspace)}
    return render(request, "workspaces/my_notebook.html", context)


@workspace_view("notebook.create")
@require_GET
def my_notebook_card(request: HtmxOrgRequest, workspace: Workspace) -> HttpResponse:
    context = {"workspace": workspace, "my": my_notebook_context(request, workspace)}
    return render(request, "workspaces/_my_notebook.html", context)


@workspace_view("notebook.create")
@require_POST
def my_notebook_start_action(request: HtmxOrgRequest, workspace: Workspace) -> HttpResponse:
    """The page of a first entry posts it by itself; afterwards only a person does (F030)."""
    refusal = ""
    try:
        notebook_ensure_default(
            workspace=workspace, user=request.user, is_asked="asked" in request.POST
        )
    except REFUSALS as error:
        refusal = str(error)
    if request.htmx:
        context = {"workspace": workspace, "my": my_notebook_context(request, workspace, refusal)}
        return render(request, "workspaces/_my_notebook.html", context)
    if refusal:
        messages.error(request, refusal)
    return redirect("my_notebook:page", workspace=workspace.uuid)


def my_notebook_context(
    request: HtmxOrgRequest, workspace: Workspace, refusal: str = ""
) -> dict[str, object] | None:
    """For ``_my_notebook.html``; None for those who have no notebooks here."""
    if not (workspace.is_ready and role_may(request.role, "notebook.create")):
        return None
    mine = _rows(workspace).own(request.user).filter(is_default=True)
    live = mine.live().first()
    is_first_entry = live is None and not mine.exists()
    return {
        "row": _shown(request, [live])[0] if live else None,
        "is_first_entry": is_first_entry,
        "starts_now": is_first_entry and settings.NOTEBOOK_ON_ENTRY and not refusal,
        "refusal": refusal,
        "container": _container(workspace),
    }


# Workspace Settings -----------------------------------------------------------------------------


@workspace_view("notebook.view")
@require_GET
def notebook_manager(request: HtmxOrgRequest, workspace: Workspace) -> HttpResponse:
    """F031: all servers of the workspace."""
    context = _page(request, workspace, _rows(workspace).live()) | {"is_manager": True}
    return render(request, "workspaces/notebook_manager.html", context)


@workspace_view("workspace.change")
def notebook_defaults_page(request: HtmxOrgRequest, workspace: Workspace) -> HttpResponse:
    form = NotebookDefaultsForm(request.POST or None, workspace=workspace)
    if request.method == "POST" and form.is_valid():
        notebook_defaults_set(
            workspace=workspace,
            instance_type=form.cleaned_data["instance_type"],
            idle_minutes=form.cleaned_data["idle_minutes"],
            actor=Actor(request.user),
        )
        messages.success(request, "Saved. It holds for every My Notebook made from now on.")
        return redirect("settings:defaults", workspace=workspace.uuid)
    return render(
        request,
        "workspaces/notebook_defaults.html",
        {"workspace": workspace, "form": form, "may_configure": True},
        status=422 if form.is_bound else 200,
    )


# ------------------------------------------------------------------------------------------------


def _rows(workspace: Workspace) -> NotebookQuerySet:
    rows = Notebook.objects.filter(workspace=workspace).select_related(
        "owner", "workspace__organization", "workspace__cloud_configuration"
    )
    return rows.with_latest_operation()


def _notebook(workspace: Workspace, uuid: UUID) -> Notebook:
    return get_object_or_404(_rows(workspace), uuid=uuid)


def _changeable(request: HtmxOrgRequest, workspace: Workspace, uuid: UUID) -> Notebook:
    found = _notebook(workspace, uuid)
    if not may_change(request.user, request.role, found):
        raise PermissionDenied
    return found


def _back(request: HtmxOrgRequest, notebook: Notebook) -> str:
    """To the list that it is in: one's own, or everybody's."""
    is_own = notebook.owner_id == request.user.pk
    name = "notebooks:list" if is_own else "settings:notebooks"
    return reverse(name, args=[notebook.workspace.uuid])


def _container(workspace: Workspace) -> str:
    return cloud_of(workspace.cloud_configuration).notebook_container()


def _shown(request: HtmxOrgRequest, notebooks: list[Notebook]) -> list[NotebookRow]:
    return notebook_rows(notebooks, user=request.user, role=request.role)


def _page(
    request: HtmxOrgRequest, workspace: Workspace, notebooks: NotebookQuerySet
) -> dict[str, object]:
    page = Paginator(notebooks, PAGE_LENGTH).get_page(request.GET.get("page"))
    return {
        "workspace": workspace,
        "page": page,
        "rows": _shown(request, list(page.object_list)),
        "container": _container(workspace),
        "may_create": role_may(request.role, "notebook.create"),
        "may_configure": role_may(request.role, "workspace.change"),
    }


def _detail(request: HtmxOrgRequest, workspace: Workspace, uuid: UUID) -> dict[str, object]:
    (row,) = _shown(request, [_notebook(workspace, uuid)])
    operations = Operation.objects.for_target(uuid).prefetch_related("events")
    return {
        "workspace": workspace,
        "row": row,
        "container": _container(workspace),
        "memory_bytes": row.notebook.memory_mib * 1024**2,
        "operations": operations[:SHOWN_OPERATIONS],
    }
