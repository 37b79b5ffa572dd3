"""What people, timers and the platform ask of notebook servers (F029-F036, K11).

Each request is one conditional UPDATE of the state and one operation, in one transaction: of two
at once the database lets one through. A removal, and the pause of somebody who lost the right,
overtake what is running.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from workspaces.clouds.base import CloudError, InstanceType
from workspaces.clouds.servers import NotebookSpec
from workspaces.guards import spending_check
from workspaces.models import Notebook, Operation, Workspace
from workspaces.models.notebooks import NOTEBOOK_VERBS
from workspaces.notebook_idle import idle_minutes, is_due
from workspaces.notebook_rights import without_right
from workspaces.operations.lifecycle import Actor, operation_start
from workspaces.secrets import seal
from workspaces.services.clouds import cloud_of
from workspaces.services.timeline import timeline_note
from workspaces.services.workspaces import workspace_spec

State = Notebook.State
MY_NOTEBOOK = "My Notebook"
TOKEN_BYTES = 32
THROUGH = {
    "pause": State.PAUSING,
    "resume": State.INPROGRESS,
    "start": State.INPROGRESS,
    "restart": State.INPROGRESS,
    "reset": State.INPROGRESS,
}
SPENDING = frozenset({"resume", "start", "reset"})
WITHOUT_RIGHT = "Its owner may not open notebooks in this workspace any more."


class NotebookRefused(Exception):  # noqa: N818 - an expected refusal, with a sentence for the user
    pass


def notebook_spec(notebook: Notebook, *, token: str = "") -> NotebookSpec:
    """What a driver must know; ``notebook.workspace`` is read. Only a start needs the token."""
    return NotebookSpec(
        uuid=notebook.uuid,
        workspace=workspace_spec(notebook.workspace),
        instance_type=notebook.shape,
        token=token,
    )


def notebook_ensure_default(
    *, workspace: Workspace, user: User, is_asked: bool = False
) -> Notebook | None:
    """My Notebook of that person: made once, at their first entry (F030), then found again.

    None when they removed it and do not ask for a new one now. Two entries at once make one.
    Raises NotebookRefused, SpendingRefused.
    """
    if earlier := _default_of(workspace, user, is_asked=is_asked):
        return earlier[0]
    kind = _default_instance_type(workspace)
    with transaction.atomic():
        _lock_ready(workspace)  # whoever comes second sees the first one's
        if earlier := _default_of(workspace, user, is_asked=is_asked):
            return earlier[0]
        return _create(
            Notebook(
                workspace=workspace,
                owner=user,
                name=MY_NOTEBOOK,
                is_default=True,
                idle_minutes=workspace.notebook_idle_minutes,
            ),
            kind,
            Actor(user),
        )


def _default_of(
    workspace: Workspace, user: User, *, is_asked: bool
) -> tuple[Notebook | None] | None:
    """(the living one,), or (None,) when there was one that is not wanted back."""
    mine = Notebook.objects.own(user).filter(workspace=workspace, is_default=True)
    if living := mine.live().first():
        return (living,)
    return (None,) if mine.exists() and not is_asked else None


def _default_instance_type(workspace: Workspace) -> InstanceType:
    """What the workspace's settings say while it is offered, else the smallest."""
    try:
        offered = cloud_of(workspace.cloud_configuration).instance_types(workspace.region)
    except CloudError as error:
        raise NotebookRefused(error.message) from error
    if not offered:
        raise NotebookRefused("The provider offers no instance types now. Try again later.")
    chosen = {kind.name: kind for kind in offered}.get(workspace.notebook_instance_type)
    return chosen or min(offered, key=lambda kind: (kind.memory_mib, kind.vcpus))


@transaction.atomic
def notebook_create(
    *,
    uuid: UUID,
    workspace: Workspace,
    owner: User,
    name: str,
    instance_type: InstanceType,
    actor: Actor,
    description: str = "",
    preferred_cluster: UUID | None = None,
) -> Notebook:
    """Write server and operation. ``uuid`` comes from the form: a second submit of it finds the
    first one's notebook. Raises NotebookRefused, SpendingRefused.
    """
    if earlier := Notebook.objects.own(owner).filter(uuid=uuid, workspace=workspace).first():
        return earlier
    if name.casefold() == MY_NOTEBOOK.casefold():
        raise NotebookRefused(f"{MY_NOTEBOOK} is made by itself. Choose another name.")
    _lock_ready(workspace)
    notebook = Notebook(
        uuid=uuid,
        workspace=workspace,
        owner=owner,
        name=name,
        description=description,
        preferred_cluster=preferred_cluster,
    )
    try:
        return _create(notebook, instance_type, actor)
    except IntegrityError as error:
        if earlier := Notebook.objects.own(owner).filter(uuid=uuid, workspace=workspace).first():
            return earlier
        raise NotebookRefused(f"You have a notebook named {name} here already.") from error


def _lock_ready(workspace: Workspace) -> None:
    """Inside a transaction: from here on no removal of the workspace comes in between."""
    status = Workspace.objects.select_for_update().get(pk=workspace.pk).status
    if status != Workspace.Status.READY:
        raise NotebookRefused(f"The workspace is {status}. Wait until it is READY.")


def _create(notebook: Notebook, kind: InstanceType, actor: Actor) -> Notebook:
    """Raises IntegrityError, after which the transaction goes on."""
    spending_check(workspace=notebook.workspace, actor=actor)
    notebook.created_at = timezone.now()
    notebook.sealed_token = _new_token(notebook)
    notebook.take_shape_of(kind)
    with transaction.atomic():
        notebook.save(force_insert=True)
    timeline_note(
        notebook.workspace, notebook, actor, "notebook.create", after={"instance_type": kind.name}
    )
    _operation_for(notebook, "notebook.create", actor)
    return notebook


def _new_token(notebook: Notebook) -> str:
    """Sealed at once: nobody but the proxy and the server's start reads it."""
    return seal(secrets.token_urlsafe(TOKEN_BYTES), context=notebook.token_context)


@transaction.atomic
def notebook_act(*, notebook: Notebook, verb: str, actor: Actor, reason: str = "") -> Operation:
    """Pause, resume, start (out of FAILED), restart, or reset (its own folder and token anew).

    Raises NotebookRefused, SpendingRefused, OperationConflict.
    """
    if verb != "pause":
        _check_may_run(notebook)
    if verb in SPENDING:
        spending_check(workspace=notebook.workspace, actor=actor)
    changes = {"sealed_token": _new_token(notebook)} if verb == "reset" else {}
    same = Notebook.objects.filter(pk=notebook.pk, removal_requested_at=None)
    moved = same.filter(state__in=NOTEBOOK_VERBS[verb]).update(
        state=THROUGH[verb], state_reason="", **changes
    )
    if not moved:
        raise NotebookRefused(_why_not(notebook, verb))
    kind = f"notebook.{verb}"
    timeline_note(
        notebook.workspace, notebook, actor, kind, reason=reason, before={"state": notebook.state}
    )
    # What is cleaned up after a dead server does not keep anybody from starting it again.
    overtake = State.FAILED in NOTEBOOK_VERBS[verb]
    return _operation_for(notebook, kind, actor, reason=reason, overtake=overtake)


def _check_may_run(notebook: Notebook) -> None:
    _lock_ready(notebook.workspace)
    if without_right([notebook]):
        raise NotebookRefused(f"{WITHOUT_RIGHT} Remove it; the shared files stay.")


def _why_not(notebook: Notebook, verb: str) -> str:
    now = Notebook.objects.get(pk=notebook.pk)
    state = "being removed" if now.removal_requested_at else now.state
    allowed = " or ".join(NOTEBOOK_VERBS[verb])
    return f"{notebook.name} is {state}; only a {allowed} notebook can {verb}."


@transaction.atomic
def notebook_suspend(*, notebook: Notebook, actor: Actor, reason: str) -> Operation | None:
    """Pause it, whatever it is being started for; None when it does not run."""
    before = notebook.state
    moved = Notebook.objects.filter(
        pk=notebook.pk, state__in=(*Notebook.STARTING, State.RUNNING), removal_requested_at=None
    ).update(state=State.PAUSING, state_reason=reason)
    if not moved:
        return None
    timeline_note(
        notebook.workspace,
        notebook,
        actor,
        "notebook.pause",
        reason=reason,
        before={"state": before},
    )
    return _operation_for(notebook, "notebook.pause", actor, reason=reason, overtake=True)


def notebooks_suspend_without_right(*, actor: Actor) -> int:
    """Pause all servers that nobody may open any more; how many. The way into them is cut by the
    proxy, and sooner.
    """
    busy = Notebook.objects.filter(
        state__in=(*Notebook.STARTING, State.RUNNING), removal_requested_at=None
    )
    rows = busy.select_related("owner", "workspace__organization")
    asked = [
        notebook_suspend(notebook=row, actor=actor, reason=WITHOUT_RIGHT)
        for row in without_right(rows)
    ]
    return sum(operation is not None for operation in asked)


def notebooks_forget_future(*, now: datetime) -> None:
    """The clock was set back: what seems yet to come was just now, so that no server stays idle
    for as long as that on top.
    """
    Notebook.objects.running().filter(last_activity_at__gt=now).update(last_activity_at=now)


@transaction.atomic
def notebook_pause_idle(*, notebook: Notebook, now: datetime) -> bool:
    """Looked at again under the row's lock, so use that began a moment ago is not cut off."""
    locked = Notebook.objects.select_for_update().get(pk=notebook.pk)
    if not is_due(locked, now):
        return False
    reason = f"Not used for {idle_minutes(locked)} minutes."
    notebook_act(
        notebook=locked, verb="pause", actor=Actor(source=Operation.Source.TIMER), reason=reason
    )
    return True


@transaction.atomic
def notebook_remove(*, notebook: Notebook, actor: Actor, reason: str = "") -> Operation | None:
    """Legal in every state. None when it was asked for before and is still under way."""
    before = notebook.state
    asked = (
        Notebook.objects.live()
        .filter(pk=notebook.pk)
        .exclude(state=State.TERMINATING)
        .update(state=State.TERMINATING, state_reason="", removal_requested_at=timezone.now())
    )
    if not asked:
        return None
    timeline_note(
        notebook.workspace,
        notebook,
        actor,
        "notebook.remove",
        reason=reason,
        before={"state": before},
    )
    return _operation_for(notebook, "notebook.remove", actor, reason=reason, overtake=True)


@transaction.atomic
def notebook_defaults_set(
    *, workspace: Workspace, instance_type: str, idle_minutes: int | None, actor: Actor
) -> bool:
    """For every My Notebook made from now on; False when nothing changes. Empty and None: as the
    installation says.
    """
    after = {"notebook_instance_type": instance_type, "notebook_idle_minutes": idle_minutes}
    before = {name: getattr(workspace, name) for name in after}
    if before == after:
        return False
    Workspace.objects.filter(pk=workspace.pk).update(**after)
    workspace.refresh_from_db(fields=list(after))
    timeline_note(workspace, workspace, actor, "workspace.configure", before=before, after=after)
    return True


def _operation_for(
    notebook: Notebook, kind: str, actor: Actor, *, reason: str = "", overtake: bool = False
) -> Operation:
    return operation_start(
        kind=kind,
        target_uuid=notebook.uuid,
        organization=notebook.workspace.organization,
        workspace=notebook.workspace,
        actor=actor,
        reason=reason,
        overtake=overtake,
    )
