from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.core import mail
from django.core.cache import cache
from django.test import Client

from accounts.models import User
from tests.conftest import PASSWORD

CREDENTIALS = {"login": "alice@example.org", "password": PASSWORD}
MakeUser = Callable[..., User]
SignedIn = Callable[[User], Client]


@pytest.fixture(autouse=True)
def _no_limits_from_other_tests(db: None) -> None:
    cache.clear()


def test_the_page_has_the_documented_words(client: Client) -> None:
    """V03."""
    page = client.get("/accounts/login/").content.decode()

    for words in (
        "Sign in to continue",
        "E-mail address",
        "Password",
        "SIGN IN",
        "Forgot password?",
    ):
        assert words in page


def test_the_address_counts_in_any_case_of_letters(client: Client, user: MakeUser) -> None:
    """F008."""
    user()

    response = client.post("/accounts/login/", {**CREDENTIALS, "login": "Alice@Example.org"})

    assert response.url == "/"


def test_sign_in_returns_to_the_page_asked_for_and_to_no_other_site(user: MakeUser) -> None:
    user()

    own = Client().post("/accounts/login/", {**CREDENTIALS, "next": "/help/"})
    foreign = Client().post("/accounts/login/", {**CREDENTIALS, "next": "https://evil.example/"})

    assert (own.url, foreign.url) == ("/help/", "/")


def test_the_sixth_wrong_password_is_refused_for_a_while(client: Client, user: MakeUser) -> None:
    user()
    for _ in range(5):
        client.post("/accounts/login/", {**CREDENTIALS, "password": "wrong"})

    response = client.post("/accounts/login/", CREDENTIALS)

    assert "Too many failed login attempts" in response.content.decode()


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("login/", {"login": "alice@example.org", "password": "wrong"}),
        ("login/", {}),
        ("password/reset/", {"email": "no address"}),
        ("password/change/", {"oldpassword": "wrong", "password1": "a", "password2": "b"}),
    ],
)
def test_an_invalid_form_answers_422(
    user: MakeUser, signed_in: SignedIn, path: str, data: dict[str, str]
) -> None:
    person = user()
    browser = signed_in(person) if "change" in path else Client()

    fresh = browser.get(f"/accounts/{path}")
    response = browser.post(f"/accounts/{path}", data)

    assert fresh.status_code == 200
    assert response.status_code == 422
    assert 'aria-invalid="true"' in response.content.decode() or "alert" in (
        response.content.decode()
    )


def test_an_invalid_new_password_answers_422(user: MakeUser, client: Client) -> None:
    user()
    client.post("/accounts/password/reset/", {"email": "alice@example.org"})
    link = re.search(r"/accounts/password/reset/key/\S+", str(mail.outbox[0].body))
    assert link
    form = client.get(link[0], follow=True).redirect_chain[-1][0]

    response = client.post(form, {"password1": "short", "password2": "other"})

    assert response.status_code == 422


def test_logging_out_needs_a_post(user: MakeUser, signed_in: SignedIn) -> None:
    browser = signed_in(user())

    asked = browser.get("/accounts/logout/")
    still_in = browser.get("/help/").status_code
    done = browser.post("/accounts/logout/")

    assert (asked.status_code, still_in) == (200, 200)
    assert done.url == "/accounts/login/"
    assert browser.get("/help/").url.startswith("/accounts/login/")


def test_a_reset_link_sets_a_new_password_once(
    user: MakeUser, mailed_path: Callable[[], str]
) -> None:
    alice, new = user(), "a completely new password"
    browser = Client()

    browser.post("/accounts/password/reset/", {"email": "alice@example.org"})
    link = mailed_path()
    form = browser.get(link, follow=True)
    browser.post(form.redirect_chain[-1][0], {"password1": new, "password2": new})

    alice.refresh_from_db()
    assert alice.check_password(new)
    assert "This link is no longer valid" in Client().get(link).content.decode()


def test_asking_for_a_reset_answers_alike_for_every_address(user: MakeUser) -> None:
    user()

    known = Client().post("/accounts/password/reset/", {"email": "alice@example.org"}, follow=True)
    unknown = Client().post("/accounts/password/reset/", {"email": "who@example.org"}, follow=True)

    assert known.redirect_chain == unknown.redirect_chain
    assert [message.to for message in mail.outbox] == [["alice@example.org"]]


def test_changing_the_password_ends_the_other_sessions(user: MakeUser) -> None:
    user()
    here, elsewhere = Client(), Client()
    for browser in (here, elsewhere):
        browser.post("/accounts/login/", CREDENTIALS)
    new = "a completely new password"

    here.post(
        "/accounts/password/change/", {"oldpassword": PASSWORD, "password1": new, "password2": new}
    )

    assert here.get("/help/").status_code == 200
    assert elsewhere.get("/help/").status_code == 302


def test_sessions_are_listed_and_the_others_can_be_ended(user: MakeUser) -> None:
    user()
    here, elsewhere = Client(), Client()
    for browser in (here, elsewhere):
        browser.post("/accounts/login/", CREDENTIALS)

    page = here.get("/accounts/sessions/").content.decode()
    here.post("/accounts/sessions/")

    assert page.count("THIS ONE") == 1
    assert "END THE OTHERS" in page
    assert here.get("/help/").status_code == 200
    assert elsewhere.get("/help/").status_code == 302


def test_the_admin_signs_in_by_the_same_page(user: MakeUser, signed_in: SignedIn) -> None:
    stranger = Client().get("/admin/", follow=True)
    member = signed_in(user()).get("/admin/")

    assert stranger.redirect_chain[-1][0].startswith("/accounts/login/?next=")
    assert member.status_code in {302, 403}
    assert "Site administration" not in member.content.decode()
