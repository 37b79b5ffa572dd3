"""The engine: claims, fences, retries, deadlines, cancel and overtake."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import OperationalError
from django.utils import timezone
from django_q.models import OrmQ

from workspaces.clouds.base import CloudError, Level
from workspaces.models import CloudResource, Operation, Workspace
from workspaces.operations import (
    Actor,
    Done,
    OperationConflict,
    Step,
    Wait,
    handles,
    operation_cancel,
    operation_start,
    registry,
)
from workspaces.operations.runner import MAX_ATTEMPTS, claim, run_step

Script = list[object]


@pytest.fixture
def script() -> Iterator[Callable[..., Script]]:
    """Register a kind that answers the given outcomes one after the other."""
    names = []

    def make(*outcomes: object, **kind: object) -> Script:
        calls: Script = []
        answers = list(outcomes)

        def run(step: Step) -> object:
            calls.append(step)
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            if isinstance(answer, Exception):
                raise answer
            return answer(step) if callable(answer) else answer

        handles("test.run", **kind)(run)  # type: ignore[arg-type]
        names.append("test.run")
        return calls

    yield make
    for name in names:
        registry._kinds.pop(name, None)


@pytest.fixture
def start(workspace: Workspace) -> Callable[..., Operation]:
    def make(**fields: object) -> Operation:
        return operation_start(
            **{
                "kind": "test.run",
                "target_uuid": uuid4(),
                "organization": workspace.organization,
                "workspace": workspace,
                "actor": Actor(),
                **fields,
            }
        )

    return make


def _due(operation: Operation) -> None:
    Operation.objects.filter(pk=operation.pk).update(next_step_at=timezone.now())


def test_status_is_new_until_a_worker_starts_it(script: Callable, start: Callable) -> None:
    """F114."""
    script(Wait(60, 10, "Started node 1 of 2"))
    operation = start()
    before = operation.status

    run_step(operation.pk)

    operation.refresh_from_db()
    assert before == "NEW"
    assert operation.status == "INPROGRESS"
    assert operation.started_at is not None
    assert operation.percent == 10
    assert operation.events.get().message == "Started node 1 of 2"


def test_queue_row_is_written_with_the_operation(start: Callable, script: Callable) -> None:
    script(Done("ok"))

    start()

    assert OrmQ.objects.count() == 1


def test_message_delivered_twice_runs_one_step(script: Callable, start: Callable) -> None:
    calls = script(Wait(60, 10, "Waiting"))
    operation = start()

    run_step(operation.pk)
    run_step(operation.pk)

    assert len(calls) == 1


def test_step_that_lost_the_database_is_free_for_the_next_worker(
    script: Callable, start: Callable
) -> None:
    script(OperationalError("the connection is lost"), Done("ok"))
    operation = start()

    with pytest.raises(OperationalError):
        run_step(operation.pk)
    between = claimable(operation)
    run_step(operation.pk)

    operation.refresh_from_db()
    assert between
    assert operation.status == "FINISHED"
    assert not operation.events.filter(is_error=True).exists()


def claimable(operation: Operation) -> bool:
    return Operation.objects.claimable(timezone.now()).filter(pk=operation.pk).exists()


def test_held_step_is_not_claimed_again(script: Callable, start: Callable) -> None:
    script(Done("ok"))
    operation = start()

    first = claim(operation.pk, now=timezone.now())
    second = claim(operation.pk, now=timezone.now())

    assert first is not None
    assert second is None


def test_expired_lease_is_claimed_and_the_old_claim_writes_nothing(
    script: Callable, start: Callable
) -> None:
    def slow(step: Step) -> Done:
        # while this step hangs, its lease runs out and another worker finishes the work
        Operation.objects.filter(pk=step.operation.pk).update(lease_expires_at=timezone.now())
        claim(step.operation.pk, now=timezone.now() + timedelta(seconds=1))
        return Done("too late")

    script(slow)
    operation = start()

    run_step(operation.pk)

    operation.refresh_from_db()
    assert operation.status == "INPROGRESS"
    assert operation.fence == 2
    assert operation.lease_expires_at is not None


def test_one_open_operation_per_target(script: Callable, start: Callable) -> None:
    script(Done("ok"))
    first = start()

    with pytest.raises(OperationConflict, match="RUN is still in progress"):
        start(target_uuid=first.target_uuid)


def test_overtaking_operation_waits_for_the_running_step(script: Callable, start: Callable) -> None:
    script(Done("ok"))
    first = start()
    claim(first.pk, now=timezone.now())

    second = start(target_uuid=first.target_uuid, overtake=True)
    while_held = claim(second.pk, now=timezone.now())
    Operation.objects.filter(pk=first.pk).update(lease_expires_at=timezone.now())
    after = claim(second.pk, now=timezone.now())

    first.refresh_from_db()
    assert first.status == "CANCELLED"
    assert while_held is None
    assert after is not None


def test_overtaken_step_can_announce_nothing(script: Callable, start: Callable) -> None:
    def overtaken(step: Step) -> Done:
        start(target_uuid=step.operation.target_uuid, overtake=True)
        step.ledger.announce("node", "n-1", level=Level.CLUSTER)
        return Done("never")

    script(overtaken)
    operation = start()

    run_step(operation.pk)

    operation.refresh_from_db()
    assert operation.status == "CANCELLED"
    assert operation.lease_expires_at is None
    assert not CloudResource.objects.exists()


def test_retryable_error_is_tried_again_and_then_given_up(
    script: Callable, start: Callable
) -> None:
    calls = script(CloudError("Throttled", "The provider is busy.", retryable=True))
    operation = start()

    for _ in range(MAX_ATTEMPTS):
        _due(operation)
        run_step(operation.pk)

    operation.refresh_from_db()
    assert len(calls) == MAX_ATTEMPTS
    assert operation.status == "FAILED"
    assert operation.error_code == "Throttled"
    assert operation.error_message == "The provider is busy."


def test_step_that_kills_its_worker_is_given_up(script: Callable, start: Callable) -> None:
    calls = script(Done("never reached"))
    operation = start()
    for _ in range(MAX_ATTEMPTS):  # a claim without an outcome: the worker died
        claim(operation.pk, now=timezone.now())
        Operation.objects.filter(pk=operation.pk).update(lease_expires_at=None)

    run_step(operation.pk)

    operation.refresh_from_db()
    assert calls == []
    assert operation.status == "FAILED"
    assert operation.error_code == "WorkerLost"


def test_bug_in_a_handler_is_told_without_a_traceback(script: Callable, start: Callable) -> None:
    script(ZeroDivisionError("secret detail"))
    operation = start()

    for _ in range(MAX_ATTEMPTS):
        _due(operation)
        run_step(operation.pk)

    operation.refresh_from_db()
    assert operation.status == "FAILED"
    assert "secret detail" not in operation.error_message
    assert str(operation.uuid) in operation.error_message


def test_phase_that_takes_too_long_fails_with_what_it_was_doing(
    script: Callable, start: Callable
) -> None:
    script(Wait(0, 20, "Started node 1 of 2", "nodes"), deadlines={"nodes": 60})
    operation = start()
    run_step(operation.pk)
    Operation.objects.filter(pk=operation.pk).update(
        phase_started_at=timezone.now() - timedelta(seconds=61)
    )

    run_step(operation.pk)

    operation.refresh_from_db()
    assert operation.status == "FAILED"
    assert operation.error_message == (
        "It took longer than 1 minute (Started node 1 of 2). Try again."
    )


def test_what_became_ready_while_no_worker_ran_is_not_late(
    script: Callable, start: Callable
) -> None:
    script(Wait(0, 20, "Started node 1 of 2", "nodes"), Done("Ready"), deadlines={"nodes": 60})
    operation = start()
    run_step(operation.pk)
    Operation.objects.filter(pk=operation.pk).update(
        phase_started_at=timezone.now() - timedelta(hours=1)
    )

    run_step(operation.pk)

    operation.refresh_from_db()
    assert (operation.status, operation.message) == ("FINISHED", "Ready")


def test_clean_up_that_waits_for_ever_is_given_up(script: Callable, start: Callable) -> None:
    settled: list[str] = []
    script(
        CloudError("Capacity", "No room."),
        undo=lambda step: Wait(0, 50, "A process does not end"),
        on_failure=lambda operation: settled.append(operation.error_code),
        deadlines={"cleanup": 60},
    )
    operation = start()
    run_step(operation.pk)
    Operation.objects.filter(pk=operation.pk).update(
        phase_started_at=timezone.now() - timedelta(seconds=61)
    )

    run_step(operation.pk)

    operation.refresh_from_db()
    assert operation.status == "FAILED"
    assert settled == ["Capacity"]


def test_failed_operation_is_undone_before_it_says_failed(
    script: Callable, start: Callable
) -> None:
    undone: list[str] = []
    settled: list[str] = []

    def undo(step: Step) -> Wait | Done:
        undone.append(step.operation.status)
        return Wait(0, 50, "Removed 1 of 2") if len(undone) == 1 else Done("")

    script(
        CloudError("Capacity", "No room."),
        undo=undo,
        on_failure=lambda operation: settled.append(operation.error_code),
    )
    operation = start()

    run_step(operation.pk)
    between = Operation.objects.get(pk=operation.pk).status
    run_step(operation.pk)

    operation.refresh_from_db()
    assert undone == ["INPROGRESS", "INPROGRESS"]
    assert between == "INPROGRESS"
    assert operation.status == "FAILED"
    assert settled == ["Capacity"]


def test_cancel_undoes_and_ends_cancelled(script: Callable, start: Callable) -> None:
    undone = []
    script(Wait(3600, 10, "Waiting"), undo=lambda step: undone.append(1) or Done(""))
    operation = start()
    run_step(operation.pk)

    asked = operation_cancel(operation=operation)
    run_step(operation.pk)
    again = operation_cancel(operation=operation)

    operation.refresh_from_db()
    assert asked is True
    assert again is False
    assert undone == [1]
    assert operation.status == "CANCELLED"


def test_cancel_during_a_step_is_not_lost(script: Callable, start: Callable) -> None:
    def cancelled_meanwhile(step: Step) -> Wait:
        operation_cancel(operation=step.operation)
        return Wait(3600, 10, "Waiting")

    script(cancelled_meanwhile)
    operation = start()

    run_step(operation.pk)
    run_step(operation.pk)

    operation.refresh_from_db()
    assert operation.status == "CANCELLED"


def test_unknown_kind_fails_with_a_sentence(start: Callable) -> None:
    operation = start(kind="from.the_future")

    run_step(operation.pk)

    operation.refresh_from_db()
    assert operation.status == "FAILED"
    assert "from.the_future" in operation.error_message
