"""What goes into the shared tree and comes out of it over HTTP (F019)."""

from __future__ import annotations

from http import HTTPStatus

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse, UnreadablePostError
from django.utils.http import content_disposition_header, http_date
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_GET, require_POST

from workspaces.archives import FolderArchive
from workspaces.byte_ranges import RangeNotSatisfiable, wanted_range
from workspaces.clouds.base import CloudError
from workspaces.clouds.shared_files import FileReader, visible
from workspaces.models import Workspace
from workspaces.operations import Actor
from workspaces.permissions import HtmxOrgRequest, workspace_view
from workspaces.services import file_upload, workspace_files
from workspaces.uploads import SharedFolderHandler
from workspaces.views.files import STATUS, above, asked_path, folder_page, to_folder

BROKEN = CloudError("Incomplete", "The upload ended too early; nothing was stored.")


@workspace_view("file.view")
@require_GET
def file_download(request: HtmxOrgRequest, workspace: Workspace) -> HttpResponse:
    """Never shown inline: what users' code wrote must not run in the platform's origin."""
    path = asked_path(request)
    try:
        reader = workspace_files(workspace).open(path)
    except CloudError as error:
        return folder_page(request, workspace, above(path), error)
    file = reader.file
    etag = f'"{file.version}"' if file.version else ""
    try:
        part = wanted_range(request, size=file.size, etag=etag, modified_at=file.modified_at)
    except RangeNotSatisfiable:
        reader.close()
        headers = {"Content-Range": f"bytes */{file.size}"}
        return HttpResponse(status=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers=headers)
    start, stop = part or (0, file.size)
    reader.only(start, stop)
    response = _attachment(reader, visible(file.name))
    response["Content-Length"] = str(stop - start)
    response["Accept-Ranges"] = "bytes"
    response["Last-Modified"] = http_date(file.modified_at)
    if etag:
        response["ETag"] = etag
    if part:
        response.status_code = HTTPStatus.PARTIAL_CONTENT
        response["Content-Range"] = f"bytes {start}-{stop - 1}/{file.size}"
    return response


@workspace_view("file.view")
@require_GET
def folder_download(request: HtmxOrgRequest, workspace: Workspace) -> HttpResponse:
    """As a zip file, made while it is sent: its length is not known and it can not be resumed."""
    path = asked_path(request)
    try:
        limit = settings.ARCHIVE_MIB * 2**20
        archive = FolderArchive(workspace_files(workspace), path, max_bytes=limit)
    except CloudError as error:
        return folder_page(request, workspace, path, error)
    return _attachment(archive, archive.name)


def _attachment(chunks: FileReader | FolderArchive, name: str) -> HttpResponse:
    # It closes them too, also when the browser goes away.
    response = StreamingHttpResponse(chunks, content_type="application/octet-stream")
    response["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
    response["X-Content-Type-Options"] = "nosniff"
    return response  # type: ignore[return-value]  # decorators know HttpResponse alone


@csrf_exempt  # checked by _store: reading the token reads the files, so our handler comes before
@workspace_view("file.write")
@require_POST
def file_upload_action(request: HtmxOrgRequest, workspace: Workspace) -> HttpResponse:
    folder = asked_path(request)
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
    return to_folder(workspace, folder)


def _so_far(stored: list[str]) -> list[str]:
    return [f"Stored before that: {', '.join(stored)}."] if stored else []


def _wants_json(request: HtmxOrgRequest) -> bool:
    return request.headers.get("Accept") == "application/json"


def _upload_refused(
    request: HtmxOrgRequest, workspace: Workspace, folder: str, error: CloudError
) -> HttpResponse:
    if _wants_json(request):
        told = {"message": error.message, "code": error.code}
        return JsonResponse(told, status=STATUS.get(error.code, HTTPStatus.UNPROCESSABLE_ENTITY))
    return folder_page(request, workspace, folder, error, is_upload=True)
