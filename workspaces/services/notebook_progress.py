"""What the steps of notebook servers report, and finding one dead."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from workspaces.models import Notebook, Operation
from workspaces.operations.lifecycle import Actor, operation_start
from workspaces.services.timeline import timeline_note

State = Notebook.State


def notebook_mark_starting(*, notebook: Notebook) -> None:
    """What it answered on before is gone."""
    starting = Notebook.objects.filter(pk=notebook.pk, state__in=Notebook.STARTING)
    starting.update(state=State.INPROGRESS, address="")


def notebook_mark_probing(*, notebook: Notebook, address: str) -> None:
    """The server runs; its readiness probe begins (F038)."""
    starting = Notebook.objects.filter(pk=notebook.pk, state__in=Notebook.STARTING)
    starting.update(state=State.READINESSPROBE, address=address)


def notebook_mark_ready(*, notebook: Notebook, now: datetime) -> bool:
    """It may be opened (F039). False when a pause or a removal came first."""
    moved = Notebook.objects.filter(
        pk=notebook.pk, state=State.READINESSPROBE, removal_requested_at=None
    ).update(state=State.RUNNING, state_reason="", ready_at=now, last_activity_at=now)
    return bool(moved)


def notebook_mark_used(*, notebook: Notebook, now: datetime) -> None:
    """Somebody opened it: its idle time begins anew."""
    Notebook.objects.filter(pk=notebook.pk, state=State.RUNNING).update(last_activity_at=now)


def notebook_mark_paused(*, notebook: Notebook) -> None:
    """The reason of a pause that nobody asked for stays to be read."""
    Notebook.objects.filter(pk=notebook.pk, state=State.PAUSING).update(
        state=State.PAUSED, address=""
    )


def notebook_mark_returned(*, notebook_uuid: UUID, reason: str) -> None:
    """A resume did not work out: PAUSED as before, with the reason."""
    Notebook.objects.filter(uuid=notebook_uuid, state__in=Notebook.STARTING).update(
        state=State.PAUSED, state_reason=reason, address=""
    )


def notebook_mark_failed(*, notebook_uuid: UUID, reason: str) -> None:
    Notebook.objects.live().filter(uuid=notebook_uuid).update(
        state=State.FAILED, state_reason=reason, address=""
    )


@transaction.atomic
def notebook_mark_removed(*, notebook: Notebook) -> None:
    """The row stays as history; every way into it goes, and its token."""
    moved = (
        Notebook.objects.live()
        .filter(pk=notebook.pk)
        .update(
            state=State.TERMINATED,
            state_reason="",
            address="",
            sealed_token="",
            removed_at=timezone.now(),
        )
    )
    if moved:
        notebook.accesses.all().delete()


@transaction.atomic
def notebook_mark_lost(*, notebook: Notebook, reason: str) -> bool:
    """A running server was found dead: FAILED, to be started again; its files stay.

    ``notebook`` is the row as it was looked at: one that was restarted since is left alone.
    """
    same_start = Notebook.objects.filter(pk=notebook.pk, ready_at=notebook.ready_at)
    moved = same_start.filter(state=State.RUNNING).update(
        state=State.FAILED, state_reason=reason, address=""
    )
    if not moved:
        return False
    actor = Actor(source=Operation.Source.DRIFT)
    timeline_note(
        notebook.workspace,
        notebook,
        actor,
        "notebook.lost",
        reason=reason,
        before={"state": State.RUNNING},
    )
    operation_start(
        kind="notebook.clean",
        target_uuid=notebook.uuid,
        organization=notebook.workspace.organization,
        workspace=notebook.workspace,
        actor=actor,
        reason=reason,
        overtake=True,
    )
    return True
