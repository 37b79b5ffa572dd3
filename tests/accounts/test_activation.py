from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from accounts.models import User
from tests.conftest import PASSWORD

CREDENTIALS = {"login": "ada@example.org", "password": PASSWORD}
ACTIVATED = "Your account has been activated. You can sign in now."


@pytest.fixture
def activation_path(
    db: None,
    client: Client,
    sign_up_data: Callable[..., dict[str, str]],
    mailed_path: Callable[[], str],
) -> Iterator[str]:
    cache.clear()
    client.post("/accounts/signup/", sign_up_data())
    yield mailed_path()
    cache.clear()


@pytest.fixture
def ada(activation_path: str) -> User:
    return User.objects.get(email="ada@example.org")


def test_the_link_activates_and_leads_to_sign_in(ada: User, activation_path: str) -> None:
    """F007, F008."""
    stranger = Client()

    response = stranger.post(activation_path, follow=True)

    ada.refresh_from_db()
    assert response.redirect_chain == [("/accounts/login/", 302)]
    assert "alert-success" in response.content.decode()
    assert ACTIVATED in response.content.decode()
    assert ada.activated_at is not None
    assert stranger.post("/accounts/login/", CREDENTIALS).url == "/"


def test_opening_the_link_changes_nothing(ada: User, activation_path: str) -> None:
    """A mail scanner follows links; only the button counts."""
    response = Client().get(activation_path)

    ada.refresh_from_db()
    assert (response.status_code, ada.activated_at) == (200, None)
    assert b"ACTIVATE" in response.content


def test_a_link_works_once(ada: User, activation_path: str) -> None:
    Client().post(activation_path)

    second = Client().post(activation_path)

    assert second.status_code == 410
    assert "This link is no longer valid" in second.content.decode()
    assert "SEND AGAIN" in second.content.decode()


@pytest.mark.parametrize(("age", "status"), [(-60, 200), (60, 410)])
def test_a_link_works_for_three_days(activation_path: str, age: int, status: int) -> None:
    three_days = timedelta(days=3).total_seconds()
    moment = timezone.now().timestamp() + three_days + age

    with patch("django.core.signing.time.time", return_value=moment):
        response = Client().get(activation_path)

    assert response.status_code == status


def test_links_in_mails_never_come_from_the_host_header(
    client: Client, sign_up_data: Callable[..., dict[str, str]], settings: Any, db: None
) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    cache.clear()

    client.post("/accounts/signup/", sign_up_data(), HTTP_HOST="evil.example")
    client.post("/accounts/password/reset/", {"email": "ada@example.org"}, HTTP_HOST="evil.example")

    assert len(mail.outbox) == 2
    for message in mail.outbox:
        assert f"{settings.PUBLIC_URL}/accounts/" in message.body
        assert "evil.example" not in message.body


def test_the_right_password_before_activation_sends_the_link_again(ada: User) -> None:
    """F007: the account can not sign in before."""
    cache.clear()
    stranger = Client()

    response = stranger.post("/accounts/login/", CREDENTIALS, follow=True)

    assert b"We have sent an activation link" in response.content
    assert len(mail.outbox) == 2
    assert stranger.get("/").status_code == 302


def test_a_wrong_password_before_activation_tells_nothing(ada: User) -> None:
    known = Client().post("/accounts/login/", {**CREDENTIALS, "password": "no"})
    unknown = Client().post("/accounts/login/", {"login": "who@example.org", "password": "no"})

    assert known.context["form"].errors == unknown.context["form"].errors
    assert len(mail.outbox) == 1


def test_resending_answers_alike_for_every_address(ada: User, user: Callable[..., User]) -> None:
    cache.clear()
    user("active@example.org")
    addresses = ["ada@example.org", "active@example.org", "who@example.org"]

    answers = [
        Client().post("/accounts/confirm-email/again/", {"email": email}, follow=True)
        for email in addresses
    ]

    texts = {str(next(iter(answer.context["messages"]))) for answer in answers}
    assert len(texts) == 1
    assert {tuple(answer.redirect_chain) for answer in answers} == {
        (("/accounts/confirm-email/again/", 302),)
    }
    assert [message.to for message in mail.outbox[1:]] == [["ada@example.org"]]


def test_resending_is_limited(ada: User) -> None:
    cache.clear()
    for _ in range(4):
        Client().post("/accounts/confirm-email/again/", {"email": "ada@example.org"})

    assert len(mail.outbox) == 2  # that of the sign-up, and one in three minutes


def test_asking_with_no_address_answers_422(client: Client, db: None) -> None:
    cache.clear()

    response = client.post("/accounts/confirm-email/again/", {"email": ""})

    assert response.status_code == 422
