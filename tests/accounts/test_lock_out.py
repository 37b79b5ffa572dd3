from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from unittest.mock import patch

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.admin.models import LogEntry
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from accounts.models import User
from accounts.services import dormant_users_lock, user_lock, user_unlock
from tests.conftest import PASSWORD

LOCKED_OUT = "User is locked out. To unlock user, please contact your administrators"
NINETY_DAYS = timedelta(days=90)
SECOND = timedelta(seconds=1)
MakeUser = Callable[..., User]


@pytest.fixture(autouse=True)
def _no_limits_from_other_tests(db: None) -> None:
    cache.clear()


def dormant_for(age: timedelta, now: datetime, make: MakeUser) -> User:
    return make(
        "sleepy@example.org", last_login=now - age, activated_at=now - age, date_joined=now - age
    )


def sign_in(password: str = PASSWORD, client: Client | None = None) -> object:
    data = {"login": "sleepy@example.org", "password": password}
    return (client or Client()).post("/accounts/login/", data)


def test_exactly_ninety_days_is_not_yet_dormant(user: MakeUser) -> None:
    """F010."""
    now = timezone.now()
    sleepy = dormant_for(NINETY_DAYS, now, user)

    assert not sleepy.is_dormant(now)
    assert sleepy.is_dormant(now + SECOND)
    assert not User.objects.dormant(now).exists()
    assert User.objects.dormant(now + SECOND).get() == sleepy


@pytest.mark.parametrize("field", ["last_login", "activated_at", "unlocked_at"])
def test_each_sign_of_life_counts(user: MakeUser, field: str) -> None:
    now = timezone.now()
    sleepy = dormant_for(NINETY_DAYS * 2, now, user)

    setattr(sleepy, field, now - NINETY_DAYS)
    sleepy.save(update_fields=[field])

    assert not sleepy.is_dormant(now)
    assert not User.objects.dormant(now).exists()


def test_who_never_activated_is_not_locked(user: MakeUser) -> None:
    now = timezone.now()
    long_ago = now - NINETY_DAYS * 2
    never = user(activated_at=None, date_joined=long_ago)

    assert not never.is_dormant(now)
    assert dormant_users_lock(now=now) == 0


def test_a_dormant_user_is_locked_at_sign_in(user: MakeUser, settings: object) -> None:
    """F009, F010, V04."""
    sleepy = dormant_for(NINETY_DAYS + SECOND, timezone.now(), user)
    browser = Client()

    response = sign_in(client=browser)

    page = response.content.decode()
    sleepy.refresh_from_db()
    assert response.status_code == 403
    assert sleepy.is_locked
    assert "Couldn't sign you in" in page or "Couldn&#x27;t sign you in" in page
    assert LOCKED_OUT in page
    assert "Please contact us to unlock your account." in page
    assert settings.SUPPORT_EMAIL in page
    assert "Back to login" in page
    assert browser.get("/").url.startswith("/accounts/login/")


def test_a_wrong_password_says_nothing_of_the_lock(user: MakeUser) -> None:
    sleepy = dormant_for(NINETY_DAYS + SECOND, timezone.now(), user)

    response = sign_in("wrong")

    sleepy.refresh_from_db()
    assert LOCKED_OUT not in response.content.decode()
    assert not sleepy.is_locked


def test_someone_at_the_boundary_signs_in(user: MakeUser) -> None:
    now = timezone.now()
    dormant_for(NINETY_DAYS, now, user)

    with patch("accounts.adapter.timezone.now", return_value=now):
        response = sign_in()

    assert response.url == "/"


def test_the_daily_duty_locks_and_ends_sessions(user: MakeUser) -> None:
    """F010."""
    now = timezone.now()
    sleepy = user("sleepy@example.org")
    awake = user("awake@example.org", last_login=now)
    browser = Client()
    sign_in(client=browser)
    long_ago = now - NINETY_DAYS - SECOND
    User.objects.filter(pk=sleepy.pk).update(
        last_login=long_ago, activated_at=long_ago, date_joined=long_ago
    )

    locked = dormant_users_lock(now=now)

    sleepy.refresh_from_db()
    awake.refresh_from_db()
    assert (locked, sleepy.is_locked, awake.is_locked) == (1, True, False)
    assert browser.get("/").url.startswith("/accounts/login/")
    assert not UserSession.objects.filter(user=sleepy).exists()
    assert dormant_users_lock(now=now) == 0


def test_a_password_reset_does_not_unlock(user: MakeUser, mailed_path: Callable[[], str]) -> None:
    sleepy = user("sleepy@example.org")
    user_lock(user=sleepy, now=timezone.now())
    browser = Client()
    new = "a completely new password"

    browser.post("/accounts/password/reset/", {"email": "sleepy@example.org"})
    form = browser.get(mailed_path(), follow=True)
    browser.post(form.redirect_chain[-1][0], {"password1": new, "password2": new})
    response = sign_in(new)

    sleepy.refresh_from_db()
    assert sleepy.check_password(new)
    assert sleepy.is_locked
    assert LOCKED_OUT in response.content.decode()
    assert len(mail.outbox) == 1


def test_unlocking_restores_access_and_begins_ninety_days_anew(user: MakeUser) -> None:
    """F011."""
    now = timezone.now()
    sleepy = dormant_for(NINETY_DAYS * 2, now, user)
    operator = user("operator@example.org")
    user_lock(user=sleepy, now=now)

    unlocked = user_unlock(user=sleepy, now=now, by=operator)

    assert unlocked
    assert not sleepy.is_dormant(now + NINETY_DAYS)
    assert sign_in().url == "/"
    assert not user_unlock(user=sleepy, now=now, by=operator)


def test_operators_unlock_in_the_admin_and_it_is_recorded(
    user: MakeUser, signed_in: Callable[[User], Client]
) -> None:
    """F011."""
    sleepy, awake = user("sleepy@example.org"), user("awake@example.org")
    user_lock(user=sleepy, now=timezone.now())
    operator = user("operator@example.org", is_staff=True, is_superuser=True)

    response = signed_in(operator).post(
        "/admin/accounts/user/",
        {"action": "unlock", "_selected_action": [sleepy.pk, awake.pk]},
        follow=True,
    )

    sleepy.refresh_from_db()
    entry = LogEntry.objects.get()
    assert not sleepy.is_locked
    assert (entry.user, entry.object_id, str(entry)) == (
        operator,
        str(sleepy.pk),
        "Changed “sleepy@example.org” — Unlocked",
    )
    assert "Unlocked 1 of 2 users." in response.content.decode()
