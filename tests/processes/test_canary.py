from __future__ import annotations

import pytest
from django_q.models import OrmQ
from django_q.tasks import async_task

from bodoweb.watchdog import CANARY_LIMIT_SECONDS, CANARY_SECONDS, Canary
from workspaces.models import Heartbeat

pytestmark = pytest.mark.django_db


def test_a_canary_that_came_back_is_a_heartbeat() -> None:
    canary = Canary()
    assert not canary.is_late(100)
    sent = OrmQ.objects.get()
    assert sent.func() == "bodoweb.watchdog.chirp"

    sent.delete()  # as the monitor does with a message that was worked off

    assert not canary.is_late(101)
    assert canary.has_returned
    assert Heartbeat.objects.get().name == Heartbeat.WORKERS


def test_the_next_one_flies_only_after_a_while() -> None:
    canary = Canary()
    canary.is_late(100)
    OrmQ.objects.all().delete()
    canary.is_late(101)

    canary.is_late(100 + CANARY_SECONDS - 1)
    assert OrmQ.objects.count() == 0

    canary.is_late(100 + CANARY_SECONDS)
    assert OrmQ.objects.count() == 1


def test_one_that_does_not_come_back_is_late() -> None:
    canary = Canary()
    canary.is_late(100)

    assert not canary.is_late(100 + CANARY_LIMIT_SECONDS)
    assert canary.is_late(101 + CANARY_LIMIT_SECONDS)
    assert not Heartbeat.objects.exists()


def test_a_long_queue_that_moves_is_no_fault() -> None:
    for _ in range(3):
        async_task("bodoweb.watchdog.chirp", save=False)
    canary, now = Canary(), 100.0
    canary.is_late(now)

    for waiting in OrmQ.objects.order_by("pk")[:3]:
        now += CANARY_LIMIT_SECONDS - 1
        waiting.delete()
        assert not canary.is_late(now)

    assert canary.is_late(now + CANARY_LIMIT_SECONDS + 1)


def test_a_forgotten_one_is_followed_by_another() -> None:
    canary = Canary()
    canary.is_late(100)
    canary.remove()
    assert not OrmQ.objects.exists()

    assert not canary.is_late(101)

    assert OrmQ.objects.count() == 1
