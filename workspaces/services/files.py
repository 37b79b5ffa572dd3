"""Writes to the shared tree: the driver does them, the timeline keeps the names."""

from __future__ import annotations

from collections.abc import Mapping

from workspaces.clouds.base import CloudError
from workspaces.clouds.shared_files import FileDraft, SharedFiles, visible
from workspaces.models import Workspace
from workspaces.operations.lifecycle import Actor
from workspaces.services.clouds import cloud_of
from workspaces.services.timeline import timeline_record
from workspaces.services.workspaces import workspace_spec

_NAME_LENGTH = 120


def workspace_files(workspace: Workspace) -> SharedFiles:
    """Raises CloudError unless the workspace is READY, as everything in the answer may."""
    if not workspace.is_ready:
        raise CloudError("NotReady", f"Files are here when {workspace.name} is READY.")
    return cloud_of(workspace.cloud_configuration).shared_files(workspace_spec(workspace))


def file_upload(*, workspace: Workspace, draft: FileDraft, replace: bool, actor: Actor) -> None:
    draft.commit(replace=replace)
    _note(workspace, actor, "file.upload", draft.path, after={"bytes": draft.size})


def folder_create(*, workspace: Workspace, folder: str, name: str, actor: Actor) -> str:
    path = workspace_files(workspace).make_folder(folder, name)
    _note(workspace, actor, "folder.create", path)
    return path


def file_move(*, workspace: Workspace, path: str, folder: str, name: str, actor: Actor) -> str:
    """Also a mere change of name, which is a move within its folder."""
    new = workspace_files(workspace).move(path, folder, name)
    action = "file.rename" if new.rpartition("/")[0] == path.rpartition("/")[0] else "file.move"
    names = {"before": {"path": visible(path)}, "after": {"path": visible(new)}}
    _note(workspace, actor, action, path, **names)
    return new


def file_delete(*, workspace: Workspace, path: str, actor: Actor) -> None:
    workspace_files(workspace).remove(path)
    _note(workspace, actor, "file.delete", path)


def _note(
    workspace: Workspace,
    actor: Actor,
    action: str,
    path: str,
    *,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> None:
    timeline_record(
        organization=workspace.organization,
        workspace=workspace,
        actor=actor,
        action=action,
        target_uuid=workspace.uuid,
        target_name=visible(path)[-_NAME_LENGTH:],
        before=before,
        after=after,
    )
