"""Writes to the shared tree: the driver does them, the timeline keeps the names."""

from __future__ import annotations

from workspaces.clouds.base import CloudError
from workspaces.clouds.shared_files import FileDraft, SharedFiles, visible
from workspaces.models import Workspace
from workspaces.operations.lifecycle import Actor
from workspaces.services.clouds import cloud_of
from workspaces.services.timeline import NAME_LENGTH, timeline_note
from workspaces.services.workspaces import workspace_spec


def workspace_files(workspace: Workspace) -> SharedFiles:
    """Raises CloudError unless the workspace is READY, as everything in the answer may."""
    if not workspace.is_ready:
        raise CloudError("NotReady", f"Files are here when {workspace.name} is READY.")
    return cloud_of(workspace.cloud_configuration).shared_files(workspace_spec(workspace))


def file_upload(*, workspace: Workspace, draft: FileDraft, replace: bool, actor: Actor) -> None:
    draft.commit(replace=replace)
    size = {"bytes": draft.size}
    timeline_note(workspace, workspace, actor, "file.upload", name=_name(draft.path), after=size)


def folder_create(*, workspace: Workspace, folder: str, name: str, actor: Actor) -> str:
    path = workspace_files(workspace).make_folder(folder, name)
    timeline_note(workspace, workspace, actor, "folder.create", name=_name(path))
    return path


def file_move(*, workspace: Workspace, path: str, folder: str, name: str, actor: Actor) -> str:
    """Also a mere change of name, which is a move within its folder."""
    new = workspace_files(workspace).move(path, folder, name)
    action = "file.rename" if new.rpartition("/")[0] == path.rpartition("/")[0] else "file.move"
    before, after = {"path": visible(path)}, {"path": visible(new)}
    timeline_note(workspace, workspace, actor, action, name=_name(path), before=before, after=after)
    return new


def file_delete(*, workspace: Workspace, path: str, actor: Actor) -> None:
    workspace_files(workspace).remove(path)
    timeline_note(workspace, workspace, actor, "file.delete", name=_name(path))


def _name(path: str) -> str:
    """The end of a long path tells more than its beginning."""
    return visible(path)[-NAME_LENGTH:]
