"""The steps that deploy a workspace and take it away again."""

from __future__ import annotations

from workspaces import services
from workspaces.models import Operation, Workspace
from workspaces.operations.lifecycle import Actor
from workspaces.operations.registry import Done, Outcome, Step, Wait, handles
from workspaces.services.workspaces import workspace_spec


def _workspace(step: Step) -> Workspace:
    rows = Workspace.objects.select_related("cloud_configuration", "organization")
    return rows.get(uuid=step.operation.target_uuid)


def _failed(operation: Operation) -> None:
    services.workspace_mark_failed(
        workspace_uuid=operation.target_uuid, reason=operation.error_message
    )


def undo_workspace(step: Step) -> Outcome:
    """Take away what a failed deployment left; the workspace stays, FAILED, to retry or remove."""
    workspace = _workspace(step)
    cloud = services.cloud_of(workspace.cloud_configuration)
    progress = cloud.remove_workspace(workspace_spec(workspace), step.ledger)
    if not progress.is_done:
        return Wait(0.5, progress.percent, progress.message)
    return Done(progress.message)


@handles("workspace.create", undo=undo_workspace, on_failure=_failed)
def create_workspace(step: Step) -> Outcome:
    workspace = _workspace(step)
    services.workspace_mark_deploying(workspace=workspace)
    cloud = services.cloud_of(workspace.cloud_configuration)
    progress = cloud.ensure_workspace(workspace_spec(workspace), step.ledger)
    if not progress.is_done:
        return Wait(0.5, progress.percent, progress.message, progress.phase)
    if not cloud.bodo_versions(workspace.region):
        cloud.refresh()  # so that the first cluster form has something to offer
    services.workspace_mark_ready(workspace=workspace)
    return Done(progress.message)


@handles("workspace.remove", on_failure=_failed)
def remove_workspace(step: Step) -> Outcome:
    """Its notebook servers go first: everybody has one, so they must not stand in the way."""
    workspace = _workspace(step)
    if living := _remove_notebooks(workspace, step.operation):
        many = f"{living} notebook server{'' if living == 1 else 's'}"
        return Wait(0.5, 5, f"Waiting until {many} ended", "notebooks")
    cloud = services.cloud_of(workspace.cloud_configuration)
    progress = cloud.remove_workspace(workspace_spec(workspace), step.ledger)
    if not progress.is_done:
        return Wait(0.5, progress.percent, progress.message, progress.phase)
    services.workspace_mark_terminated(workspace=workspace)
    return Done(progress.message)


def _remove_notebooks(workspace: Workspace, operation: Operation) -> int:
    """Ask it of each that was not asked yet, or failed to go; how many still live."""
    living = workspace.notebooks.live().select_related("workspace__organization")
    actor = Actor(operation.requested_by, operation.source)
    for notebook in living:
        reason = f"Workspace {workspace.name} is being removed."
        services.notebook_remove(notebook=notebook, actor=actor, reason=reason)
    return len(living)
