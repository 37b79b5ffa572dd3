"""The loop beside web and workers: it turns due rows into queue messages, and nothing else.

Several may run; a row elects one. It holds no state: after a crash the next one sees the same
rows. It ticks fast while something is open and slowly while nothing is.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError
from django.db.models import F, Q
from django_q.tasks import async_task

from workspaces.models import ControllerLease, Operation, PeriodicDuty
from workspaces.models.operations import CLOCK_SLACK
from workspaces.operations.leases import is_dead, process_name, release_dead_leases
from workspaces.operations.lifecycle import hint

logger = logging.getLogger(__name__)

NAME = "controller"
LEASE = timedelta(seconds=15)
RENEW_AFTER = timedelta(seconds=5)
LOST_HINT_AFTER = timedelta(seconds=3)
FAST_TICK_SECONDS = 0.2
SLOW_TICK_SECONDS = 1.0


class Controller:
    """Call ``tick`` for ever; it answers how many seconds to rest."""

    def __init__(self) -> None:
        self._renew_at: datetime | None = None

    def tick(self, now: datetime) -> float:
        if not self._is_elected(now):
            return SLOW_TICK_SECONDS
        enqueue_due_duties(now)
        release_dead_leases(now)
        enqueue_due_steps(now)
        has_open = Operation.objects.unsettled().filter(
            next_step_at__lte=now + timedelta(seconds=SLOW_TICK_SECONDS)
        )
        return FAST_TICK_SECONDS if has_open.exists() else SLOW_TICK_SECONDS

    def _is_elected(self, now: datetime) -> bool:
        if self._renew_at and self._renew_at - RENEW_AFTER <= now < self._renew_at:
            return True
        elected = elect(now)
        self._renew_at = now + RENEW_AFTER if elected else None
        return elected


def elect(now: datetime) -> bool:
    """Take or renew the controller's lease; a holder that died on this machine is replaced."""
    me = process_name()
    mine_or_free = Q(owner=me) | ~Q(expires_at__gt=now, expires_at__lte=now + LEASE + CLOCK_SLACK)
    row = ControllerLease.objects.filter(name=NAME)
    if row.filter(mine_or_free).update(owner=me, expires_at=now + LEASE):
        return True
    holder = row.values_list("owner", flat=True).first()
    if holder is None:
        try:
            ControllerLease.objects.create(name=NAME, owner=me, expires_at=now + LEASE)
        except IntegrityError:
            return False
        return True
    if is_dead(holder):
        return bool(row.filter(owner=holder).update(owner=me, expires_at=now + LEASE))
    return False


def enqueue_due_steps(now: datetime) -> int:
    """Hint each due step once; again after a while, since a queue row may be lost."""
    lost = now - LOST_HINT_AFTER
    # Of a message from before the clock was set back the queue takes no notice until then.
    is_silent = Q(hinted_at=None) | Q(hinted_at__lte=lost) | Q(hinted_at__gt=now + CLOCK_SLACK)
    due = Operation.objects.claimable(now).filter(is_silent)
    count = 0
    for pk in due.values_list("pk", flat=True)[:500]:
        if due.filter(pk=pk).update(hinted_at=now):
            hint(pk)
            count += 1
    return count


def enqueue_due_duties(now: datetime) -> int:
    """Start each periodic duty that is due, once, however many controllers there are."""
    known = set(PeriodicDuty.objects.values_list("path", flat=True))
    for path in settings.PERIODIC_DUTIES.keys() - known:
        PeriodicDuty.objects.get_or_create(path=path, defaults={"next_due_at": now})
    count = 0
    for duty in PeriodicDuty.objects.all():
        seconds = settings.PERIODIC_DUTIES.get(duty.path)
        if seconds is None:
            duty.delete()
            continue
        # Further away than a period it was written before the clock was set back.
        if now < duty.next_due_at <= now + timedelta(seconds=seconds) + CLOCK_SLACK:
            continue
        same = PeriodicDuty.objects.filter(pk=duty.pk, next_due_at=duty.next_due_at)
        if same.update(next_due_at=now + timedelta(seconds=seconds)):
            async_task(duty.path, save=False)
            count += 1
    return count


def oldest_due(now: datetime) -> datetime | None:
    """Since when a step has been waiting for a worker; None when nothing waits."""
    waiting = Operation.objects.claimable(now).order_by(F("next_step_at").asc())
    found: datetime | None = waiting.values_list("next_step_at", flat=True).first()
    return found
