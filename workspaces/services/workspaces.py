from __future__ import annotations

from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from workspaces.clouds.base import WorkspaceSpec
from workspaces.guards import names_living_in, spending_check
from workspaces.models import (
    CloudConfiguration,
    Operation,
    Organization,
    Workspace,
    WorkspaceMembership,
)
from workspaces.operations.lifecycle import Actor, operation_start
from workspaces.services.timeline import timeline_note

Status = Workspace.Status


class WorkspaceRefused(Exception):  # noqa: N818 - an expected refusal, with a sentence for the user
    pass


class WorkspaceInUse(Exception):  # noqa: N818 - an expected refusal
    """Clusters still live in it; the text names them."""


def workspace_spec(workspace: Workspace) -> WorkspaceSpec:
    return WorkspaceSpec(uuid=workspace.uuid, region=workspace.region)


@transaction.atomic
def workspace_create(
    *,
    uuid: UUID,
    organization: Organization,
    name: str,
    cloud_configuration: CloudConfiguration,
    region: str,
    actor: Actor,
) -> Workspace:
    """Deploy a workspace; its creator becomes its Admin. ``uuid`` comes from the form: a second
    submit of it finds the first one's workspace. Raises WorkspaceRefused when the name is taken.
    """
    if earlier := Workspace.objects.filter(uuid=uuid, organization=organization).first():
        return earlier
    try:
        with transaction.atomic():
            workspace = Workspace.objects.create(
                uuid=uuid,
                organization=organization,
                name=name,
                cloud_configuration=cloud_configuration,
                region=region,
                created_by=actor.user,
            )
    except IntegrityError as error:
        if earlier := Workspace.objects.filter(uuid=uuid, organization=organization).first():
            return earlier
        raise WorkspaceRefused(
            f"Your organization has a workspace named {name} already."
        ) from error
    if actor.user:
        WorkspaceMembership.objects.create(
            workspace=workspace, user=actor.user, role=WorkspaceMembership.Role.ADMIN
        )
    timeline_note(
        workspace, workspace, actor, "workspace.create", after={"name": name, "region": region}
    )
    _start(workspace, "workspace.create", actor)
    return workspace


@transaction.atomic
def workspace_retry(*, workspace: Workspace, actor: Actor) -> Operation:
    """Deploy a FAILED workspace again. Raises WorkspaceRefused in any other state."""
    spending_check(workspace=workspace, actor=actor)
    if not _move(workspace, (Status.FAILED,), Status.NEW):
        raise WorkspaceRefused("Only a FAILED workspace can be deployed again.")
    timeline_note(workspace, workspace, actor, "workspace.retry", before={"status": Status.FAILED})
    return _start(workspace, "workspace.create", actor)


@transaction.atomic
def workspace_remove(*, workspace: Workspace, actor: Actor) -> Operation:
    """Legal in every state but while clusters live in it; overtakes a running deployment."""
    if living := names_living_in(workspace):
        raise WorkspaceInUse(
            f"Remove what still lives in {workspace.name} first: {', '.join(living)}."
        )
    before = workspace.status
    _move(workspace, tuple(Status), Status.TERMINATING)
    timeline_note(workspace, workspace, actor, "workspace.remove", before={"status": before})
    return _start(workspace, "workspace.remove", actor, overtake=True)


def workspace_mark_deploying(*, workspace: Workspace) -> None:
    _move(workspace, (Status.NEW,), Status.INPROGRESS)


def workspace_mark_ready(*, workspace: Workspace) -> None:
    _move(workspace, (Status.NEW, Status.INPROGRESS), Status.READY)


def workspace_mark_failed(*, workspace_uuid: UUID, reason: str) -> None:
    Workspace.objects.filter(uuid=workspace_uuid).exclude(status=Status.TERMINATED).update(
        status=Status.FAILED, status_reason=reason
    )


def workspace_mark_terminated(*, workspace: Workspace) -> None:
    Workspace.objects.filter(pk=workspace.pk, status=Status.TERMINATING).update(
        status=Status.TERMINATED, terminated_at=timezone.now()
    )


def _move(workspace: Workspace, before: tuple[str, ...], after: str) -> bool:
    moved = Workspace.objects.filter(pk=workspace.pk, status__in=before).update(
        status=after, status_reason=""
    )
    workspace.refresh_from_db(fields=["status", "status_reason"])
    return bool(moved)


def _start(workspace: Workspace, kind: str, actor: Actor, *, overtake: bool = False) -> Operation:
    return operation_start(
        kind=kind,
        target_uuid=workspace.uuid,
        organization=workspace.organization,
        workspace=workspace,
        actor=actor,
        overtake=overtake,
    )
