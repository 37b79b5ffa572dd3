from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest
from allauth.account.models import EmailAddress
from allauth.core.context import request_context
from django.contrib.auth.models import AnonymousUser
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.backends.db import SessionStore
from django.core import mail
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse

from accounts.models import User
from workspaces.forms import SignupForm
from workspaces.models import Organization, OrganizationMembership

URL = "/accounts/signup/"
SignUpData = Callable[..., dict[str, str]]


@pytest.fixture(autouse=True)
def _no_limits_from_other_tests(db: None) -> None:
    cache.clear()


def test_sign_up_makes_a_user_and_their_organization(
    client: Client, sign_up_data: SignUpData, settings: Any
) -> None:
    """F003, F004, F006."""
    response = client.post(URL, sign_up_data())

    user = User.objects.get(email="ada@example.org")
    membership = OrganizationMembership.objects.get(user=user)
    assert response.url == reverse("account_email_verification_sent")
    assert (membership.organization.name, membership.role) == ("Analytical Engines", "OWNER")
    assert (user.get_full_name(), user.activated_at) == ("Ada Lovelace", None)
    assert user.terms_version == settings.TERMS_VERSION
    assert user.terms_accepted_at is not None


def test_the_page_has_the_documented_words_in_their_order(client: Client) -> None:
    """V01."""
    words = ["Welcome", "Register your organization", "Organization name", "E-mail address"]
    words += ["Password", "Repeat password", "First name", "Last name", "I accept", "SIGN UP"]
    words += ["Have an account already?", "Sign in"]

    page = client.get(URL).content.decode()

    places = [page.index(f">{word}") if f">{word}" in page else page.index(word) for word in words]
    assert places == sorted(places)
    assert 'href="/terms/"' in page


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"organization_name": ""}, "This field is required."),
        ({"organization_name": "<b>"}, "Begin with a letter or digit"),
        ({"email": "nobody"}, "Enter a valid email address."),
        ({"password1": "short", "password2": "short"}, "at least 12 characters"),
        ({"password2": "something else entirely"}, "same password"),
        ({"first_name": ""}, "This field is required."),
        ({"terms": ""}, "This field is required."),
    ],
)
def test_an_invalid_form_answers_422_and_makes_nothing(
    client: Client, sign_up_data: SignUpData, changes: dict[str, str], message: str
) -> None:
    response = client.post(URL, sign_up_data(**changes))

    assert response.status_code == 422
    assert message in response.content.decode()
    assert not User.objects.exists()
    assert not Organization.objects.exists()
    assert not mail.outbox


def test_the_first_field_in_error_has_the_focus(client: Client, sign_up_data: SignUpData) -> None:
    page = client.post(URL, sign_up_data(first_name="", last_name="")).content.decode()

    assert page.count("autofocus") == 1
    assert page.index("autofocus") > page.index('name="first_name"')


def test_a_name_taken_in_other_letter_case_is_refused(
    client: Client, sign_up_data: SignUpData
) -> None:
    """F003."""
    Organization.objects.create(name="ANALYTICAL engines")

    response = client.post(URL, sign_up_data())

    assert response.status_code == 422
    assert "An organization with this name exists already." in response.content.decode()
    assert not User.objects.exists()


def test_a_known_address_gets_the_same_answer_and_makes_nothing(
    client: Client, sign_up_data: SignUpData, user: Callable[..., User]
) -> None:
    """F006: the answer must not tell who has an account."""
    user("ada@example.org")

    known = client.post(URL, sign_up_data(organization_name="Fresh"))
    page_after_known = client.get(known.url).content
    new = Client().post(URL, sign_up_data(organization_name="New", email="new@example.org"))

    assert (known.status_code, known.url) == (new.status_code, new.url)
    assert set(known.cookies) == set(new.cookies)
    assert b"Thank you for signing up!" in page_after_known
    assert not Organization.objects.filter(name="Fresh").exists()
    assert User.objects.filter(email="ada@example.org").count() == 1
    assert mail.outbox[0].subject == "You have a bodoweb account already"


def test_a_taken_name_is_told_alike_with_a_known_and_an_unknown_address(
    client: Client, sign_up_data: SignUpData, user: Callable[..., User]
) -> None:
    user("ada@example.org")
    Organization.objects.create(name="Acme")

    known = client.post(URL, sign_up_data(organization_name="Acme"))
    unknown = client.post(URL, sign_up_data(organization_name="Acme", email="new@example.org"))

    assert known.status_code == unknown.status_code == 422
    assert known.context["form"].errors == unknown.context["form"].errors


def test_signing_up_again_before_activation_sends_the_link_again(
    client: Client, sign_up_data: SignUpData
) -> None:
    client.post(URL, sign_up_data())
    cache.clear()  # three minutes later

    Client().post(URL, sign_up_data(organization_name="Other"))

    assert [message.subject for message in mail.outbox] == ["Activate your bodoweb account"] * 2
    assert not Organization.objects.filter(name="Other").exists()


def test_a_lost_race_for_the_name_is_a_field_error(sign_up_data: SignUpData) -> None:
    late = SignupForm(sign_up_data())
    assert late.is_valid()
    Organization.objects.create(name="ANALYTICAL ENGINES")

    with request_of_a_stranger() as request:
        outcome = late.try_save(request)

    assert outcome == (None, None)
    assert late.errors == {"organization_name": ["An organization with this name exists already."]}
    assert not User.objects.exists()
    assert not EmailAddress.objects.exists()


def test_a_lost_race_for_the_address_gets_the_answer_of_a_known_one(
    sign_up_data: SignUpData, user: Callable[..., User]
) -> None:
    late = SignupForm(sign_up_data())
    assert late.is_valid()
    user("ada@example.org")

    with request_of_a_stranger() as request:
        made, response = late.try_save(request)

    assert made is None
    assert response.url == reverse("account_email_verification_sent")
    assert not Organization.objects.exists()


@contextmanager
def request_of_a_stranger() -> Iterator[HttpRequest]:
    request = RequestFactory().post(URL)
    request.session = SessionStore()
    request.user = AnonymousUser()
    MessageMiddleware(lambda _: HttpResponse()).process_request(request)
    with request_context(request):
        yield request


def test_a_mail_server_that_is_down_does_not_lose_the_account(
    client: Client, sign_up_data: SignUpData
) -> None:
    with patch("django.core.mail.message.EmailMessage.send", side_effect=ConnectionRefusedError):
        response = client.post(URL, sign_up_data())

    assert response.status_code == 302
    assert User.objects.filter(email="ada@example.org").exists()


def test_whoever_is_signed_in_is_sent_home(
    user: Callable[..., User], signed_in: Callable[[User], Client]
) -> None:
    response = signed_in(user()).get(URL)

    assert response.url == "/"
