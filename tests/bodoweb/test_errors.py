"""Error pages: in the look, without a query, and never a traceback."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import path

from accounts.models import User
from bodoweb import views
from bodoweb.middleware import FULL_SENTENCE, SENTENCE, busy_database

SignedIn = Callable[[User], Client]


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("secret detail")


def busy(request: HttpRequest) -> HttpResponse:
    raise OperationalError("database is locked: secret detail")


urlpatterns = [
    path("broken/", broken),
    path("busy/", busy),
    path("api/busy/", busy),
]
handler400 = "bodoweb.views.bad_request"
handler403 = "bodoweb.views.permission_denied"
handler404 = "bodoweb.views.page_not_found"
handler500 = "bodoweb.views.server_error"


def test_an_unknown_address_is_a_404_in_the_look(client: Client) -> None:
    response = client.get("/nope/")

    assert response.status_code == 404
    assert b"Page not found" in response.content
    assert b"bodoweb.css" in response.content


def test_error_pages_follow_the_chosen_theme(client: Client) -> None:
    client.cookies["theme"] = "dark"

    assert b'data-bs-theme="dark"' in client.get("/nope/").content


@pytest.mark.parametrize("template", ["400", "403", "404", "429", "500", "503", "403_csrf"])
def test_every_error_page_draws_without_request_or_database(template: str) -> None:
    page = views.render_to_string(f"{template}.html")

    assert "<h1" in page
    assert "{%" not in page


@pytest.mark.urls(__name__)
def test_a_bug_is_a_500_that_shows_nothing_of_itself() -> None:
    client = Client(raise_request_exception=False)

    response = client.get("/broken/")

    assert response.status_code == 500
    assert b"Something went wrong" in response.content
    assert b"secret detail" not in response.content


@pytest.mark.urls(__name__)
@pytest.mark.parametrize("address", ["/busy/", "/api/busy/"])
def test_a_busy_database_is_a_503_that_asks_to_try_again(client: Client, address: str) -> None:
    response = client.get(address)

    assert response.status_code == 503
    assert int(response["Retry-After"]) > 0
    assert SENTENCE in response.content.decode()
    assert b"secret detail" not in response.content


@pytest.mark.urls(__name__)
def test_the_api_gets_its_503_as_json(client: Client) -> None:
    assert client.get("/api/busy/").json() == {"message": SENTENCE}


@pytest.mark.parametrize("error", [OperationalError(), InterfaceError()])
def test_a_session_that_can_not_be_read_is_a_503_too(error: Exception) -> None:
    """It is raised above our middleware and ends in handler500."""
    request = RequestFactory().get("/")

    try:
        raise error
    except type(error):
        response = views.server_error(request)

    assert response.status_code == 503


@pytest.mark.parametrize(
    "words",
    [
        "database or disk is full",
        'could not extend file "base/5/1": No space left on device',
    ],
)
def test_a_full_disk_is_a_503_that_names_it(words: str) -> None:
    middleware = busy_database(lambda request: HttpResponse())

    answer = middleware.process_exception(RequestFactory().get("/"), OperationalError(words))

    assert answer is not None
    assert answer.status_code == 503
    assert FULL_SENTENCE in answer.content.decode()


def test_other_exceptions_are_left_alone() -> None:
    middleware = busy_database(lambda request: HttpResponse())

    assert middleware.process_exception(RequestFactory().get("/"), ValueError()) is None


def test_a_form_without_its_token_is_refused_in_the_look(db: None) -> None:
    client = Client(enforce_csrf_checks=True)

    response = client.post("/accounts/login/", {"login": "a@b.org", "password": "x"})

    assert response.status_code == 403
    assert b"This form is out of date" in response.content
