from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone
from django_q.models import OrmQ

from workspaces.models import ControllerLease, Operation, PeriodicDuty, Workspace
from workspaces.operations import Actor, operation_start
from workspaces.operations.controller import (
    LOST_HINT_AFTER,
    Controller,
    elect,
    enqueue_due_duties,
    enqueue_due_steps,
)
from workspaces.operations.leases import is_dead, process_name, release_dead_leases


def _operation(workspace: Workspace) -> Operation:
    return operation_start(
        kind="test.none",
        target_uuid=uuid4(),
        organization=workspace.organization,
        workspace=workspace,
        actor=Actor(),
    )


def test_lost_queue_row_is_hinted_again(workspace: Workspace) -> None:
    _operation(workspace)
    OrmQ.objects.all().delete()

    at_once = enqueue_due_steps(timezone.now())
    later = enqueue_due_steps(timezone.now() + LOST_HINT_AFTER + timedelta(seconds=1))

    assert at_once == 0
    assert later == 1
    assert OrmQ.objects.count() == 1


def test_due_step_is_hinted_once(workspace: Workspace) -> None:
    operation = _operation(workspace)
    OrmQ.objects.all().delete()
    Operation.objects.filter(pk=operation.pk).update(hinted_at=None)

    counts = [enqueue_due_steps(timezone.now()) for _ in range(3)]

    assert counts == [1, 0, 0]


def test_step_of_the_future_is_left_alone(workspace: Workspace) -> None:
    operation = _operation(workspace)
    now = timezone.now()
    Operation.objects.filter(pk=operation.pk).update(
        hinted_at=None, next_step_at=now + timedelta(seconds=5)
    )

    assert enqueue_due_steps(now) == 0


def test_second_controller_stands_by(db: None) -> None:
    now = timezone.now()
    host, boot, *_ = process_name().split("/")
    alive_elsewhere = f"other-{host}/{boot}/1/1.00"
    ControllerLease.objects.create(
        name="controller", owner=alive_elsewhere, expires_at=now + timedelta(seconds=10)
    )

    assert elect(now) is False
    assert elect(now + timedelta(seconds=11)) is True


def test_controller_that_died_on_this_machine_is_replaced_at_once(db: None) -> None:
    now = timezone.now()
    host, boot, *_ = process_name().split("/")
    dead = f"{host}/{boot}/999999999/1.00"
    ControllerLease.objects.create(
        name="controller", owner=dead, expires_at=now + timedelta(seconds=10)
    )

    assert elect(now) is True


@pytest.mark.parametrize(
    ("owner", "dead"),
    [
        (lambda host, boot, pid, start: f"{host}/{boot}/{pid}/{start}", False),
        (lambda host, boot, pid, start: f"{host}/{boot}/{pid}/1.00", True),
        (lambda host, boot, pid, start: f"{host}/old-boot/{pid}/{start}", True),
        (lambda host, boot, pid, start: f"elsewhere/{boot}/{pid}/1.00", False),
    ],
    ids=["alive", "reused pid", "before a reboot", "another machine"],
)
def test_death_is_claimed_only_where_it_can_be_proved(owner: object, dead: bool) -> None:
    host, boot, pid, start = process_name().split("/")

    assert is_dead(owner(host, boot, pid, start)) is dead  # type: ignore[operator]


def test_lease_of_a_dead_worker_is_freed(workspace: Workspace) -> None:
    operation = _operation(workspace)
    now = timezone.now()
    host, boot, *_ = process_name().split("/")
    Operation.objects.filter(pk=operation.pk).update(
        lease_owner=f"{host}/{boot}/999999999/1.00", lease_expires_at=now + timedelta(seconds=60)
    )

    freed = release_dead_leases(now)

    assert freed == 1
    assert Operation.objects.claimable(now).filter(pk=operation.pk).exists()


def test_duty_is_started_once_when_due(db: None, settings: object) -> None:
    settings.PERIODIC_DUTIES = {"workspaces.tasks.forget_old_sessions": 3600}  # type: ignore[attr-defined]
    now = timezone.now()

    counts = [
        enqueue_due_duties(now),
        enqueue_due_duties(now),
        enqueue_due_duties(now + timedelta(hours=1)),
    ]

    assert counts == [1, 0, 1]
    assert PeriodicDuty.objects.count() == 1


def test_tick_rests_longer_when_nothing_is_open(workspace: Workspace) -> None:
    controller = Controller()
    idle = controller.tick(timezone.now())
    _operation(workspace)

    busy = controller.tick(timezone.now())

    assert busy < idle
