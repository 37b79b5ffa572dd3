"""The shared tree of a workspace as pages (F019, F152, F216)."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import parse_qs

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import (
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
    UnreadablePostError,
)
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_GET, require_POST

from workspaces.clouds.base import CloudError
from workspaces.clouds.shared_files import SharedFiles, visible
from workspaces.file_forms import FileNameForm
from workspaces.file_rows import UsageLine, crumbs_of, key_of, row_of
from workspaces.models import Workspace
from workspaces.operations import Actor
from workspaces.permissions import HtmxOrgRequest, role_may, workspace_view
from workspaces.services import (
    file_delete,
    file_rename,
    file_upload,
    folder_create,
    workspace_files,
)
from workspaces.uploads import SharedFolderHandler

PAGE_SIZE = 200
COUNT_SECONDS = 1.0
STATUS = {
    "NotFound": HTTPStatus.NOT_FOUND,
    "Exists": HTTPStatus.CONFLICT,
    "NotReady": HTTPStatus.CONFLICT,
    "TooLarge": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
}
NAME_ERRORS = ("BadName", "Exists")
BROKEN = CloudError("Incomplete", "The upload ended too early; nothing was stored.")


@workspace_view("file.view")
@require_GET
def file_list(request: HtmxOrgRequest, workspace: Workspace) -> HttpResponse:
    return _page(request, workspace, _path(request))


@workspace_view("file.view")
@require_GET
def file_download(request: HtmxOrgRequest, workspace: Workspace) -> HttpResponse:
    """Never shown inline: what users' code wrote must not run in the platform's origin."""
    path = _path(request)
    try:
        reader = workspace_files(workspace).open(path)
    except CloudError as error:
        return _page(request, workspace, _above(path), error)
    # It closes the reader too, also when the browser goes away.
    response = StreamingHttpResponse(reader, content_type="application/octet-stream")
    response["Content-Length"] = str(reader.file.size)
    name = visible(reader.file.name)
    response["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
    response["X-Content-Type-Options"] = "nosniff"
    return response  # type: ignore[return-value]  # decorators know HttpResponse alone


@csrf_exempt  # checked by _store: reading the token reads the files, so our handler comes before
@workspace_view("file.write")
@require_POST
def file_upload_action(request: HtmxOrgRequest, workspace: Workspace) -> HttpResponse:
    folder = _path(request)
    try:
        files = workspace_files(workspace)
        limit = settings.UPLOAD_MIB * 2**20
        handler = SharedFolderHandler(request, files, folder, max_bytes=limit)
        handler.check_length(request)
    except CloudError as error:
        return _upload_refused(request, workspace, folder, error)
    try:
        request.upload_handlers = [handler]
        return _store(request, workspace, folder, handler)
    except CloudError as error:
        return _upload_refused(request, workspace, folder, error)
    except UnreadablePostError:
        return _upload_refused(request, workspace, folder, BROKEN)
    finally:
        handler.discard()


@csrf_protect
def _store(
    request: HtmxOrgRequest, workspace: Workspace, folder: str, handler: SharedFolderHandler
) -> HttpResponse:
    """Raises CloudError. The form ends with the field ``complete``: a connection that broke looks
    to Django like a file that ended."""
    is_complete = "complete" in request.POST
    if handler.error:
        raise handler.error
    if not is_complete:
        raise BROKEN
    if not handler.drafts:
        raise CloudError("NoFile", "Choose a file first.")
    stored: list[str] = []
    for draft in handler.drafts:
        replace, actor = "replace" in request.POST, Actor(request.user)
        try:
            file_upload(workspace=workspace, draft=draft, replace=replace, actor=actor)
        except CloudError as error:
            raise CloudError(error.code, " ".join([error.message, *_so_far(stored)])) from error
        stored.append(visible(draft.path.rpartition("/")[2]))
    names = ", ".join(stored)
    if _wants_json(request):
        return JsonResponse({"message": f"Uploaded {names}"}, status=HTTPStatus.CREATED)
    messages.success(request, f"Uploaded {names}")
    return _to_folder(workspace, folder)


def _so_far(stored: list[str]) -> list[str]:
    return [f"Stored before that: {', '.join(stored)}."] if stored else []


@workspace_view("file.write")
def folder_create_page(request: HtmxOrgRequest, workspace: Workspace) -> HttpResponse:
    folder = _path(request)
    form = FileNameForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        name = form.cleaned_data["name"]
        try:
            folder_create(workspace=workspace, folder=folder, name=name, actor=Actor(request.user))
        except CloudError as error:
            form.add_error("name" if error.code in NAME_ERRORS else None, error.message)
        else:
            messages.success(request, f"Created folder {visible(name)}")
            return _to_folder(workspace, folder)
    return _name_form(request, workspace, form, folder, heading="New folder")


@workspace_view("file.write")
def file_rename_page(request: HtmxOrgRequest, workspace: Workspace) -> HttpResponse:
    path = _path(request)
    old = visible(path.rpartition("/")[2])
    try:
        if workspace_files(workspace).stat(path).is_protected:
            raise CloudError("Protected", f"{old or 'The shared folder'} keeps its name.")
    except CloudError as error:
        return _page(request, workspace, _above(path), error)
    typed = path.rpartition("/")[2].encode("utf-8", "replace").decode()
    form = FileNameForm(request.POST or None, initial={"name": typed})
    if request.method == "POST" and form.is_valid():
        name = form.cleaned_data["name"]
        try:
            file_rename(workspace=workspace, path=path, name=name, actor=Actor(request.user))
        except CloudError as error:
            form.add_error("name" if error.code in NAME_ERRORS else None, error.message)
        else:
            messages.success(request, f"Renamed {old} to {visible(name)}")
            return _to_folder(workspace, _above(path))
    return _name_form(request, workspace, form, _above(path), heading=f"Rename {old}")


@workspace_view("file.write")
@require_POST
def file_delete_action(request: HtmxOrgRequest, workspace: Workspace) -> HttpResponse:
    path = _path(request)
    try:
        file_delete(workspace=workspace, path=path, actor=Actor(request.user))
    except CloudError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, f"Deleted {visible(path.rpartition('/')[2])}")
    return _to_folder(workspace, _above(path))


def _path(request: HtmxOrgRequest) -> str:
    """Not from ``request.GET``: names on disk can be bytes that are no UTF-8."""
    text: str = request.META.get("QUERY_STRING", "")
    return parse_qs(text, errors="surrogateescape").get("path", [""])[-1]


def _above(path: str) -> str:
    return path.rpartition("/")[0]


def _to_folder(workspace: Workspace, folder: str) -> HttpResponseRedirect:
    address = reverse("files:list", args=[workspace.uuid])
    return redirect(f"{address}?path={key_of(folder)}" if folder else address)


def _wants_json(request: HtmxOrgRequest) -> bool:
    return request.headers.get("Accept") == "application/json"


def _upload_refused(
    request: HtmxOrgRequest, workspace: Workspace, folder: str, error: CloudError
) -> HttpResponse:
    if _wants_json(request):
        told = {"message": error.message, "code": error.code}
        return JsonResponse(told, status=STATUS.get(error.code, HTTPStatus.UNPROCESSABLE_ENTITY))
    return _page(request, workspace, folder, error, is_upload=True)


def _page(
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
    request: HtmxOrgRequest, workspace: Workspace, form: FileNameForm, folder: str, *, heading: str
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
        },
        status=HTTPStatus.UNPROCESSABLE_ENTITY if form.is_bound else HTTPStatus.OK,
    )
