"""One step of one operation: claim it, run the handler, write the outcome if still the newest.

Every worker may die at any instruction. What protects the rows: a claim is one conditional
UPDATE that raises the fence; the outcome is written only under that fence; attempts are counted
at the claim, so a step that kills its worker is given up in the end.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import F, Q
from django.utils import timezone

from workspaces.clouds.base import CloudError
from workspaces.models import Operation, OperationEvent
from workspaces.models.operations import LEASE
from workspaces.operations.leases import process_name
from workspaces.operations.ledger import Ledger, Superseded
from workspaces.operations.registry import Done, Kind, Outcome, Step, Wait, kind_of

logger = logging.getLogger(__name__)

CLEANUP = "cleanup"
MAX_ATTEMPTS = 6
RETRY_SECONDS_AT_MOST = 30
DATABASE_ERRORS = (OperationalError, InterfaceError)
FREE_SECONDS, FREE_PAUSE_SECONDS = 15.0, 0.5


def run_step(operation_pk: int) -> None:
    """Carry the operation one step further, unless somebody else does or nothing is due.

    Raises DATABASE_ERRORS; the step is then free for whoever finds the database again.
    """
    try:
        _run_step(operation_pk)
    except DATABASE_ERRORS:
        _free_at_last(operation_pk)
        raise


def _free_at_last(operation_pk: int) -> None:
    """What we could not write must not wait for the end of our lease, for we live on."""
    mine = Operation.objects.filter(pk=operation_pk, lease_owner=process_name())
    deadline = time.monotonic() + FREE_SECONDS
    while time.monotonic() < deadline:
        try:
            mine.update(lease_owner="", lease_expires_at=None, hinted_at=None)
        except DATABASE_ERRORS:
            connection.close()
            time.sleep(FREE_PAUSE_SECONDS)
        else:
            return


def _run_step(operation_pk: int) -> None:
    operation = claim(operation_pk, now=timezone.now())
    if operation is None:
        return
    try:
        kind = kind_of(operation.kind)
    except KeyError:
        _finish(operation, Operation.Status.FAILED, None, _unknown_kind(operation))
        return
    if error := _reason_to_stop(operation):
        _begin_cleanup(operation, kind, error)
        return
    _run(operation, kind)


def claim(operation_pk: int, *, now: datetime) -> Operation | None:
    """Take the step, or None: not due, held, ended, or the overtaken one has not let go yet."""
    waiting = Operation.objects.claimable(now).filter(pk=operation_pk)
    found = waiting.first()
    if found is None:
        return None
    held = Operation.objects.for_target(found.target_uuid).held(now)
    if held.exclude(pk=operation_pk).exists():
        return None
    claimed = waiting.update(
        status=Operation.Status.INPROGRESS,
        lease_owner=process_name(),
        lease_expires_at=now + LEASE,
        fence=F("fence") + 1,
        attempts=F("attempts") + 1,
    )
    if not claimed:
        return None
    Operation.objects.filter(pk=operation_pk, started_at=None).update(
        started_at=now, phase_started_at=now
    )
    operation = Operation.objects.select_related("organization", "workspace").get(pk=operation_pk)
    operation.phase_started_at = _phase_start(operation, found.next_step_at, now)
    return operation


def _phase_start(operation: Operation, since: datetime, now: datetime) -> datetime:
    """The deadline's begin. Not counted is what passed while nobody can have been at work: an
    outage of the platform, or a clock that was set. A step, and the rest before it, is shorter.
    """
    gap = now - since
    started = operation.phase_started_at or now
    return min(started + gap if gap > LEASE else started, now)


def _unknown_kind(operation: Operation) -> CloudError:
    return CloudError("Unknown", f"This version of the platform has no {operation.kind}.")


def _reason_to_stop(operation: Operation) -> CloudError | None:
    """Why the normal way is over: cancelled, or its workers keep dying."""
    if operation.phase == CLEANUP:
        return None
    if operation.cancel_requested_at:
        return CloudError("Cancelled", "Cancelled by user.")
    if operation.attempts > MAX_ATTEMPTS:
        return CloudError(
            "WorkerLost",
            f"The platform's workers ended {MAX_ATTEMPTS} times during this step. "
            "Try again; if it happens again, operators find the cause in the worker log.",
        )
    return None


def _run(operation: Operation, kind: Kind) -> None:
    is_cleanup = operation.phase == CLEANUP
    handler = (kind.undo if is_cleanup else kind.run) or _nothing_to_undo
    step = Step(operation=operation, ledger=Ledger(operation), now=timezone.now())
    try:
        try:
            outcome = handler(step)
        finally:
            operation.phase_started_at = _phase_start(operation, step.now, timezone.now())
    except Superseded:
        _let_go(operation)
        return
    except DATABASE_ERRORS:
        raise
    except CloudError as error:
        _on_error(operation, kind, error)
        return
    except Exception:
        logger.exception("operation %s %s: step failed", operation.kind, operation.uuid)
        _on_error(operation, kind, _internal_error(operation))
        return
    _record(operation, kind, outcome)


def _nothing_to_undo(step: Step) -> Outcome:
    return Done("")


def _internal_error(operation: Operation) -> CloudError:
    return CloudError(
        "InternalError",
        "The platform itself failed here. Try again; operators find the cause in the worker log "
        f"under {operation.uuid}.",
        retryable=True,
    )


def _on_error(operation: Operation, kind: Kind, error: CloudError) -> None:
    if operation.phase == CLEANUP:
        if _is_late(operation, kind):
            _give_up(operation, kind, error.code)
            return
    elif not error.retryable or operation.attempts >= MAX_ATTEMPTS:
        _begin_cleanup(operation, kind, error)
        return
    seconds = min(2**operation.attempts, RETRY_SECONDS_AT_MOST)
    _write(
        operation,
        {"next_step_at": timezone.now() + timedelta(seconds=seconds)},
        message=f"{error.message} Next try in {seconds} s.",
        is_error=True,
    )


def _is_late(operation: Operation, kind: Kind) -> bool:
    started = operation.phase_started_at or timezone.now()
    allowed = timedelta(seconds=kind.deadline_seconds(operation.phase))
    return timezone.now() - started > allowed


def _give_up(operation: Operation, kind: Kind, doing: str) -> None:
    """Asked only after a look: what became ready while no worker ran is not late."""
    if operation.phase == CLEANUP:
        logger.error("operation %s: clean-up gave up: %s", operation.uuid, doing)
        _close_failed(operation, kind)
        return
    minutes = kind.deadline_seconds(operation.phase) // 60
    allowed = f"{minutes} minute{'' if minutes == 1 else 's'}"
    sentence = f"It took longer than {allowed} ({doing}). Try again."
    _begin_cleanup(operation, kind, CloudError("Deadline", sentence))


def _record(operation: Operation, kind: Kind, outcome: Outcome) -> None:
    if isinstance(outcome, Wait):
        is_same_phase = operation.phase in (CLEANUP, outcome.phase)
        if is_same_phase and _is_late(operation, kind):
            _give_up(operation, kind, outcome.message)
        else:
            _record_wait(operation, outcome)
    elif operation.phase == CLEANUP:
        _close_failed(operation, kind)
    else:
        _finish(operation, Operation.Status.FINISHED, outcome.message, None)


def _record_wait(operation: Operation, outcome: Wait) -> None:
    now = timezone.now()
    fields: dict[str, object] = {
        "attempts": 0,
        "percent": outcome.percent,
        "next_step_at": now + timedelta(seconds=outcome.seconds),
    }
    is_cleanup = operation.phase == CLEANUP
    if not is_cleanup and outcome.phase != operation.phase:
        fields |= {"phase": outcome.phase, "phase_started_at": now}
    _write(operation, fields, message=outcome.message)


def _begin_cleanup(operation: Operation, kind: Kind, error: CloudError) -> None:
    now = timezone.now()
    logger.info("operation %s %s stops: %s", operation.kind, operation.uuid, error.code)
    fields: dict[str, object] = {
        "phase": CLEANUP,
        "phase_started_at": now,
        "error_code": error.code,
        "error_message": error.message,
        "attempts": 0,
        "next_step_at": now,
    }
    _write(operation, fields, message=error.message, is_error=True)
    run_step(operation.pk)


@transaction.atomic
def _close_failed(operation: Operation, kind: Kind) -> None:
    cancelled = operation.error_code == "Cancelled"
    status = Operation.Status.CANCELLED if cancelled else Operation.Status.FAILED
    if _finish(operation, status, None, None) and kind.on_failure:
        kind.on_failure(operation)


def _finish(
    operation: Operation, status: str, message: str | None, error: CloudError | None
) -> bool:
    fields: dict[str, object] = {"status": status, "finished_at": timezone.now(), "attempts": 0}
    if status == Operation.Status.FINISHED:
        fields["percent"] = 100
    if error:
        fields |= {"error_code": error.code, "error_message": error.message}
    return _write(operation, fields, message=error.message if error else message)


@transaction.atomic
def _write(
    operation: Operation,
    fields: dict[str, object],
    *,
    message: str | None,
    is_error: bool = False,
) -> bool:
    """Write under the fence of our claim and let go of the lease; False when overtaken."""
    if message:
        fields["message"] = message
    fields |= {"lease_owner": "", "lease_expires_at": None}
    fields.setdefault("phase_started_at", operation.phase_started_at)
    if "next_step_at" in fields:
        fields |= {"hinted_at": None, "waiting_since": timezone.now()}
    mine = Operation.objects.filter(
        pk=operation.pk, fence=operation.fence, status=Operation.Status.INPROGRESS
    )
    # A cancel that came in meanwhile has set next_step_at to its own time: it must not be lost.
    if operation.phase != CLEANUP and mine.filter(cancel_requested_at__isnull=False).exists():
        fields.pop("next_step_at", None)
    if not mine.update(**fields):
        _let_go(operation)
        return False
    if message and message != operation.message:
        OperationEvent.objects.create(
            operation=operation,
            at=timezone.now(),
            phase=str(fields.get("phase", operation.phase)),
            percent=int(str(fields.get("percent", operation.percent))),
            message=message,
            is_error=is_error,
        )
    return True


def _let_go(operation: Operation) -> None:
    """Free the lease of an overtaken claim, so that whoever overtook it need not wait."""
    ended_or_mine = ~Q(status=Operation.Status.INPROGRESS) | Q(fence=operation.fence)
    Operation.objects.filter(ended_or_mine, pk=operation.pk, lease_owner=process_name()).update(
        lease_owner="", lease_expires_at=None
    )
