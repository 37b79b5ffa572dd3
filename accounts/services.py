"""All writes to users that are not allauth's: activation, locking, unlocking."""

from __future__ import annotations

import logging
from datetime import datetime

from allauth.usersessions.models import UserSession
from django.db import transaction

from accounts.models import User

logger = logging.getLogger(__name__)


def user_activate(*, user: User, now: datetime) -> bool:
    """The first use of an activation link counts; False when it was done before."""
    is_first = User.objects.filter(pk=user.pk, activated_at=None).update(activated_at=now) == 1
    if is_first:
        user.activated_at = now
        logger.info("user %s activated", user.uuid)
    return is_first


@transaction.atomic
def user_lock(*, user: User, now: datetime) -> bool:
    """Lock and end every session; False when the user was locked already."""
    is_first = User.objects.filter(pk=user.pk, locked_at=None).update(locked_at=now) == 1
    user.refresh_from_db(fields=["locked_at"])
    for session in UserSession.objects.filter(user=user):
        session.end()
    if is_first:
        logger.info("user %s locked", user.uuid)
    return is_first


def user_unlock(*, user: User, now: datetime, by: User) -> bool:
    """Restore access; the time counts as a sign of life, so 90 days begin anew (F011)."""
    changed = User.objects.filter(pk=user.pk).exclude(locked_at=None)
    is_unlocked = changed.update(locked_at=None, unlocked_at=now) == 1
    user.refresh_from_db(fields=["locked_at", "unlocked_at"])
    if is_unlocked:
        logger.info("user %s unlocked by %s", user.uuid, by.uuid)
    return is_unlocked


def dormant_users_lock(*, now: datetime) -> int:
    """Lock everybody who is dormant at ``now``; how many (F010)."""
    return sum(user_lock(user=user, now=now) for user in User.objects.dormant(now))
