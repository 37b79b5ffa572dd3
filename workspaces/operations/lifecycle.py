"""Starting, overtaking and cancelling operations. The rows decide, the queue only hears of it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone
from django_q.tasks import async_task

from accounts.models import User
from workspaces.models import Operation, OperationEvent, Organization, Workspace

logger = logging.getLogger(__name__)

STEP_TASK = "workspaces.tasks.run_operation_step"


class OperationConflict(Exception):  # noqa: N818 - an expected refusal
    """Something else is being done to the same thing; the text says what, to the user."""


@dataclass(frozen=True)
class Actor:
    """Who or what asks: a person in the pages, or a timer, a job, an operator on their own."""

    user: User | None = None
    source: str = Operation.Source.USER


def hint(operation_pk: int) -> None:
    """Tell the workers that a step is due. Joins the caller's transaction."""
    async_task(STEP_TASK, operation_pk, save=False)


@transaction.atomic
def operation_start(
    *,
    kind: str,
    target_uuid: UUID,
    organization: Organization,
    workspace: Workspace | None,
    actor: Actor,
    reason: str = "",
    overtake: bool = False,
    start_at: datetime | None = None,
) -> Operation:
    """Write the operation and its queue row in the caller's transaction.

    At most one operation per target is open: with ``overtake`` the open one ends CANCELLED (its
    running step, if any, can record nothing any more and the new one waits until it let go),
    without it OperationConflict is raised.
    """
    now = timezone.now()
    if overtake:
        _overtake(target_uuid, kind, now)
    try:
        with transaction.atomic():
            operation = Operation.objects.create(
                kind=kind,
                target_uuid=target_uuid,
                organization=organization,
                workspace=workspace,
                requested_by=actor.user,
                source=actor.source,
                reason=reason,
                created_at=now,
                next_step_at=start_at or now,
                waiting_since=now,
                hinted_at=now,
            )
    except IntegrityError as error:
        raise OperationConflict(_conflict_sentence(target_uuid)) from error
    if start_at is None or start_at <= now:
        hint(operation.pk)
    logger.info("operation %s %s started for %s", kind, operation.uuid, target_uuid)
    return operation


def operation_postpone(*, target_uuid: UUID, until: datetime) -> None:
    """What was just started for the target, in this transaction, does not begin before then."""
    fresh = Operation.objects.for_target(target_uuid).filter(status=Operation.Status.NEW)
    fresh.update(next_step_at=until)


def _overtake(target_uuid: UUID, kind: str, now: datetime) -> None:
    open_ones = Operation.objects.unsettled().for_target(target_uuid).select_for_update()
    for operation in open_ones:
        # The lease stays: the running step may still be at work, and claim() waits for it.
        Operation.objects.filter(pk=operation.pk).update(
            status=Operation.Status.CANCELLED,
            fence=operation.fence + 1,
            error_code="Overtaken",
            error_message=f"{kind.rpartition('.')[2].capitalize()} was asked for.",
            finished_at=now,
        )
        OperationEvent.objects.create(
            operation=operation,
            at=now,
            percent=operation.percent,
            message=f"Stopped: {kind.rpartition('.')[2]} was asked for",
        )


def _conflict_sentence(target_uuid: UUID) -> str:
    running = Operation.objects.unsettled().for_target(target_uuid).first()
    verb = running.verb if running else "Another task"
    return f"{verb} is still in progress here. Wait until it has ended, or remove."


@transaction.atomic
def operation_cancel(*, operation: Operation) -> bool:
    """Ask an open operation to stop and clean up. False when it had ended already."""
    now = timezone.now()
    asked = (
        Operation.objects.unsettled()
        .filter(pk=operation.pk, cancel_requested_at=None)
        .update(cancel_requested_at=now, next_step_at=now, hinted_at=now)
    )
    if asked:
        hint(operation.pk)
    return bool(asked)
