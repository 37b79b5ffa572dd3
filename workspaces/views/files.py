"""The shared tree of a workspace as pages (F019, F152, F216)."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from urllib.parse import parse_qs

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from workspaces.clouds.base import CloudError
from workspaces.clouds.shared_files import SharedFiles, visible
from workspaces.file_forms import ROOT, FileNameForm, FilePlaceForm
from workspaces.file_rows import UsageLine, crumbs_of, folders_near, key_of, row_of
from workspaces.models import Workspace
from workspaces.operations import Actor
from workspaces.permissions import HtmxOrgRequest, role_may, workspace_view
from workspaces.services import file_delete, file_move, folder_create, workspace_files

PAGE_SIZE = 200
COUNT_SECONDS = 1.0
STATUS = {
    "NotFound": HTTPStatus.NOT_FOUND,
    "Exists": HTTPStatus.CONFLICT,
    "NotReady": HTTPStatus.CONFLICT,
    "TooLarge": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
}
MOVE_FIELDS = {"BadName": "name", "Exists": "name", "BadFolder": "folder"}


@workspace_view("file.view")
@require_GET
def file_list(request: HtmxOrgRequest, workspace: Workspace) -> HttpResponse:
    return folder_page(request, workspace, asked_path(request))


@workspace_view("file.write")
def folder_create_page(request: HtmxOrgRequest, workspace: Workspace) -> HttpResponse:
    folder = asked_path(request)
    form = FileNameForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        name = form.cleaned_data["name"]
        try:
            folder_create(workspace=workspace, folder=folder, name=name, actor=Actor(request.user))
        except CloudError as error:
            form.add_error(MOVE_FIELDS.get(error.code), error.message)
        else:
            messages.success(request, f"Created folder {visible(name)}")
            return to_folder(workspace, folder)
    return _name_form(request, workspace, form, folder, heading="New folder")


@workspace_view("file.write")
def file_move_page(request: HtmxOrgRequest, workspace: Workspace) -> HttpResponse:
    path = asked_path(request)
    old = visible(path.rpartition("/")[2])
    try:
        files = workspace_files(workspace)
        if files.stat(path).is_protected:
            raise CloudError("Protected", f"{old or 'The shared folder'} stays where it is.")
        near = folders_near(files, path)
    except CloudError as error:
        return folder_page(request, workspace, above(path), error)
    form = FilePlaceForm(request.POST or None, path=path)
    if request.method == "POST" and form.is_valid():
        try:
            new = file_move(
                workspace=workspace, path=path, actor=Actor(request.user), **form.cleaned_data
            )
        except CloudError as error:
            form.add_error(MOVE_FIELDS.get(error.code), error.message)
        else:
            messages.success(request, _moved(path, new))
            return to_folder(workspace, above(new))
    return _name_form(
        request, workspace, form, above(path), heading=f"Rename or move {old}", folders=near
    )


def _moved(old: str, new: str) -> str:
    names = [visible(path.rpartition("/")[2]) for path in (old, new)]
    if above(old) == above(new):
        return f"Renamed {names[0]} to {names[1]}"
    return f"Moved {names[0]} to {visible(f'{ROOT}/{new}')}"


@workspace_view("file.write")
@require_POST
def file_delete_action(request: HtmxOrgRequest, workspace: Workspace) -> HttpResponse:
    path = asked_path(request)
    try:
        file_delete(workspace=workspace, path=path, actor=Actor(request.user))
    except CloudError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, f"Deleted {visible(path.rpartition('/')[2])}")
    return to_folder(workspace, above(path))


def asked_path(request: HtmxOrgRequest) -> str:
    """Not from ``request.GET``: names on disk can be bytes that are no UTF-8."""
    text: str = request.META.get("QUERY_STRING", "")
    return parse_qs(text, errors="surrogateescape").get("path", [""])[-1]


def above(path: str) -> str:
    return path.rpartition("/")[0]


def to_folder(workspace: Workspace, folder: str) -> HttpResponseRedirect:
    address = reverse("files:list", args=[workspace.uuid])
    return redirect(f"{address}?path={key_of(folder)}" if folder else address)


def folder_page(
    request: HtmxOrgRequest,
    workspace: Workspace,
    path: str,
    error: CloudError | None = None,
    *,
    is_upload: bool = False,
) -> HttpResponse:
    """The folder at ``path``, with why something else could not be done."""
    folder: dict[str, object] = {}
    try:
        files = workspace_files(workspace)
        usage = UsageLine(files.usage(seconds=COUNT_SECONDS))
        folder = {"usage": usage, "location": files.location}
        folder |= _listing(request, files, path)
    except CloudError as refusal:
        error = error or refusal
    status = STATUS.get(error.code, HTTPStatus.UNPROCESSABLE_ENTITY) if error else HTTPStatus.OK
    return render(
        request,
        "workspaces/file_list.html",
        {
            **folder,
            "workspace": workspace,
            "limit_mib": settings.UPLOAD_MIB,
            "limit_bytes": settings.UPLOAD_MIB * 2**20,
            "trouble": "" if error is None or is_upload else error.message,
            "upload_error": error.message if error and is_upload else "",
            "may_write": role_may(request.role, "file.write"),
        },
        status=status,
    )


def _listing(request: HtmxOrgRequest, files: SharedFiles, path: str) -> dict[str, object]:
    hidden = request.GET.get("hidden") == "1"
    total = files.list(path, hidden=hidden, start=0, count=0).total
    page = Paginator(range(total), PAGE_SIZE).get_page(request.GET.get("page"))
    start = (page.number - 1) * PAGE_SIZE
    listing = files.list(path, hidden=hidden, start=start, count=PAGE_SIZE)
    return {
        "listing": listing,
        "rows": [row_of(file) for file in listing.files],
        "page": page,
        "hidden": hidden,
        "key": key_of(path),
        "crumbs": crumbs_of(path),
    }


def _name_form(
    request: HtmxOrgRequest,
    workspace: Workspace,
    form: FileNameForm,
    folder: str,
    *,
    heading: str,
    folders: Sequence[str] = (),
) -> HttpResponse:
    return render(
        request,
        "workspaces/file_form.html",
        {
            "workspace": workspace,
            "form": form,
            "heading": heading,
            "crumbs": crumbs_of(folder),
            "key": key_of(folder),
            "folders": folders,
        },
        status=HTTPStatus.UNPROCESSABLE_ENTITY if form.is_bound else HTTPStatus.OK,
    )
