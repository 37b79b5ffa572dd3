"""Nobody but the owner reaches a notebook, by no path, no trick, and no page of another site."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from http.client import IncompleteRead
from typing import Any
from uuid import uuid4

import pytest
from websockets.exceptions import InvalidStatus

from tests.notebooks.browsing import Browser
from tests.notebooks.conftest import Inside, Person
from tests.notebooks.jupyter import TOKEN, Jupyter
from workspaces.models import Notebook
from workspaces.notebooks.access import Visit

Enter = Callable[..., Inside]
CHANNELS = "/api/kernels/k/channels"
PATHS = [
    "/",
    "/lab",
    "/api/status",
    "/api/kernels",
    "/files/x",
    "//api/status",
    "/%2e%2e/api/status",
    "/../api/status",
    "/_bodoweb/enter",
    "/_bodoweb/../api/status",
    "/_bodoweb%2fclusters",
    "/_bodoweb/enter/../../api/status",
    "/healthz/../api/status",
    "/healthz%2f..%2fapi/status",
    "/static/../api/status",
    "/login?next=/api/status",
]


def nothing_reaches(jupyter: Jupyter, browser: Browser, origin: str) -> None:
    """Every path, several methods and WebSockets are refused before Jupyter hears of them."""
    jupyter.seen.clear()
    for path in PATHS:
        for method in ("GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE"):
            answer = browser.fetch(f"{origin}{path}", method)
            assert answer.status in {401, 403, 404}, (method, path, answer.status)
            assert "token" not in answer.text
        with pytest.raises(InvalidStatus) as refused, browser.socket(f"{origin}{path}"):
            pass
        assert refused.value.response.status_code in {401, 403, 404}, path
    assert jupyter.seen == []


def test_a_signed_out_browser_reaches_nothing(enter: Enter, jupyter: Jupyter, port: int) -> None:
    nothing_reaches(jupyter, Browser(port), enter().origin)


def test_a_made_up_cookie_reaches_nothing(enter: Enter, jupyter: Jupyter, port: int) -> None:
    origin = enter().origin
    browser = Browser(port, {origin.removeprefix("http://"): {"bodoweb-notebook": "x" * 43}})

    nothing_reaches(jupyter, browser, origin)


@pytest.mark.parametrize("role", ["MEMBER", "VIEWER", "ADMIN", "OWNER"])
def test_other_people_reach_nothing_even_with_a_ticket(
    enter: Enter, jupyter: Jupyter, port: int, person: Callable[..., Person], role: str
) -> None:
    inside, other = enter(), person(role)
    browser = Browser(port)

    answer = browser.visit(other.ticket(inside.notebook))

    assert answer.status == 403
    assert browser.cookies == {}
    nothing_reaches(jupyter, browser, inside.origin)


def test_a_stranger_reaches_nothing_even_with_a_ticket(
    enter: Enter, jupyter: Jupyter, port: int, user: Any, signed_in: Any
) -> None:
    inside, stranger = enter(), user("stranger@example.org")
    browser = Browser(port)

    assert (
        browser.visit(Person(stranger, signed_in(stranger)).ticket(inside.notebook)).status == 403
    )

    nothing_reaches(jupyter, browser, inside.origin)


def test_the_cookie_of_another_notebook_reaches_nothing(enter: Enter, jupyter: Jupyter) -> None:
    mine, yours = enter(), enter()
    jar = mine.browser.cookies
    jar[yours.origin.removeprefix("http://")] = jar[mine.origin.removeprefix("http://")]

    nothing_reaches(jupyter, mine.browser, yours.origin)


def test_ones_own_other_notebook_needs_its_own_ticket(
    enter: Enter, jupyter: Jupyter, make_notebook: Callable[..., Notebook]
) -> None:
    first = enter()
    second = enter(first.person, name="Second")
    jar = first.browser.cookies
    jar[second.origin.removeprefix("http://")] = jar[first.origin.removeprefix("http://")]

    nothing_reaches(jupyter, first.browser, second.origin)


def test_a_used_ticket_opens_nothing(enter: Enter, jupyter: Jupyter, port: int) -> None:
    inside = enter()
    ticket = inside.person.ticket(inside.notebook)
    assert inside.browser.visit(ticket).status == 200
    browser = Browser(port)

    answer = browser.visit(ticket)

    assert answer.status == 401
    assert "Open this notebook from the platform" in answer.text
    nothing_reaches(jupyter, browser, inside.origin)


def test_going_back_to_a_used_ticket_does_no_harm(enter: Enter) -> None:
    inside = enter()
    ticket = inside.person.ticket(inside.notebook)

    assert [inside.browser.visit(ticket).status for _ in range(2)] == [200, 200]


def test_a_ticket_of_one_host_opens_no_other(enter: Enter, jupyter: Jupyter, port: int) -> None:
    first = enter()
    second = enter(first.person, name="Second")
    ticket = first.person.ticket(first.notebook)
    browser = Browser(port)

    answer = browser.visit(ticket.replace(first.origin, second.origin))

    assert answer.status == 401
    assert browser.visit(ticket).status == 200


@pytest.mark.parametrize(
    "host", ["", "localhost", "127.0.0.1", "evil.example", "own, own", "twice"]
)
def test_other_hosts_are_nobody(enter: Enter, jupyter: Jupyter, host: str) -> None:
    inside = enter()
    netloc = inside.origin.removeprefix("http://")
    cookie = inside.browser.headers_for(netloc, "GET", {})["Cookie"]
    jupyter.seen.clear()
    named = {"own, own": f"Host: {netloc}, {netloc}", "twice": f"Host: {netloc}\r\nHost: {netloc}"}
    line = named.get(host, f"Host: {host}")

    answer = inside.browser.raw(
        f"GET /api/status HTTP/1.1\r\n{line}\r\nCookie: {cookie}\r\n"
        "Connection: close\r\n\r\n".encode()
    )

    assert answer.startswith((b"HTTP/1.1 404 ", b"HTTP/1.1 400 "))
    assert jupyter.seen == []


def test_an_unknown_notebook_looks_like_one_that_is_not_open(enter: Enter, port: int) -> None:
    inside = enter()
    unknown = inside.origin.replace(str(inside.notebook.uuid), str(uuid4()))

    there = Browser(port).fetch(f"{inside.origin}/lab")
    not_there = Browser(port).fetch(f"{unknown}/lab")

    assert (there.status, there.body) == (not_there.status, not_there.body)


# Pages of other sites -----------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "origin", [None, "null", "http://evil.example", "http://localhost:8000", "other", "upper"]
)
def test_writes_from_elsewhere_are_refused(
    enter: Enter, jupyter: Jupyter, method: str, origin: str | None
) -> None:
    inside = enter()
    other = inside.origin.replace(str(inside.notebook.uuid), str(uuid4()))
    sent = {"other": other, "upper": f"{inside.origin}.evil.example"}.get(origin or "", origin)
    jupyter.seen.clear()

    answer = inside.browser.fetch(f"{inside.origin}/api/kernels", method, {"Origin": sent})  # type: ignore[dict-item]

    assert answer.status == 403
    assert jupyter.seen == []


def test_two_origins_are_none(enter: Enter, jupyter: Jupyter) -> None:
    inside = enter()
    netloc = inside.origin.removeprefix("http://")
    cookie = inside.browser.headers_for(netloc, "GET", {})["Cookie"]
    jupyter.seen.clear()

    answer = inside.browser.raw(
        f"DELETE /x HTTP/1.1\r\nHost: {netloc}\r\nCookie: {cookie}\r\nOrigin: {inside.origin}\r\n"
        f"Origin: {inside.origin}\r\nConnection: close\r\n\r\n".encode()
    )

    assert answer.startswith(b"HTTP/1.1 403 ")
    assert jupyter.seen == []


@pytest.mark.parametrize("origin", [None, "null", "http://evil.example", "http://localhost:8000"])
def test_sockets_from_elsewhere_are_refused(
    enter: Enter, jupyter: Jupyter, origin: str | None
) -> None:
    inside = enter()
    jupyter.seen.clear()

    with (
        pytest.raises(InvalidStatus) as refused,
        inside.browser.socket(f"{inside.origin}{CHANNELS}", origin=origin),
    ):
        pass

    assert refused.value.response.status_code == 403
    assert jupyter.seen == []


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize(
    ("mode", "destination"),
    [
        ("cors", "empty"),
        ("no-cors", "image"),
        ("no-cors", "script"),
        ("navigate", "iframe"),
        ("navigate", "embed"),
        ("navigate", "object"),
        ("navigate", "frame"),
        ("", ""),
    ],
)
@pytest.mark.parametrize("path", ["/api/contents/x", "/files/x", "/lab"])
def test_what_others_embed_or_read_is_refused(
    enter: Enter, jupyter: Jupyter, site: str, mode: str, destination: str, path: str
) -> None:
    inside = enter()
    jupyter.seen.clear()
    headers = {
        "Sec-Fetch-Site": site,
        "Sec-Fetch-Mode": mode,
        "Sec-Fetch-Dest": destination,
    }

    answer = inside.browser.fetch(f"{inside.origin}{path}", headers=headers)

    assert answer.status == 403
    assert jupyter.seen == []


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_ones_own_pages_read_what_they_need(enter: Enter, site: str) -> None:
    inside = enter()
    headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}

    assert inside.browser.fetch(f"{inside.origin}/api/status", headers=headers).status == 200


# The wire -----------------------------------------------------------------------------------------


def raw_request(inside: Inside, first: str, *lines: str, body: bytes = b"") -> bytes:
    netloc = inside.origin.removeprefix("http://")
    headers = inside.browser.headers_for(netloc, "POST", {})
    given = [*(f"{name}: {value}" for name, value in headers.items()), *lines]
    return inside.browser.raw("\r\n".join([first, *given, "", ""]).encode() + body)


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: 4", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked", "Content-Length: 4"),
        ("Content-Length: 4", "Content-Length: 40"),
        ("Transfer-Encoding: chunked, identity", "Content-Length: 4"),
        ("Transfer-Encoding: xchunked",),
        ("Content-Length: +4",),
        ("Content-Length : 4",),
        ("Transfer-Encoding\t: chunked",),
    ],
)
def test_nothing_is_smuggled(enter: Enter, jupyter: Jupyter, lines: tuple[str, ...]) -> None:
    inside = enter()
    jupyter.seen.clear()
    hidden = b"0\r\n\r\nDELETE /hidden HTTP/1.1\r\nHost: localhost\r\n\r\n"

    answer = raw_request(inside, "POST /x HTTP/1.1", *lines, body=hidden)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"/hidden" not in json.dumps([seen["path"] for seen in jupyter.seen]).encode()
    assert jupyter.seen == []


def test_an_absolute_address_is_that_of_the_host(enter: Enter, jupyter: Jupyter) -> None:
    inside = enter()
    jupyter.seen.clear()

    answer = raw_request(inside, "POST http://evil.example/x HTTP/1.1", "Content-Length: 0")

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert [seen["path"] for seen in jupyter.seen] == ["/x"]
    assert jupyter.seen[0]["headers"]["Host"] == inside.origin.removeprefix("http://")


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "LINK"])
def test_methods_that_jupyter_has_not_are_refused(
    enter: Enter, jupyter: Jupyter, method: str
) -> None:
    inside = enter()
    jupyter.seen.clear()

    assert raw_request(inside, f"{method} /x HTTP/1.1").startswith(b"HTTP/1.1 400 ")

    assert jupyter.seen == []


@pytest.mark.parametrize("upgrade", ["h2c", "tls/1.0", "websocket, h2c"])
def test_other_upgrades_are_plain_requests(enter: Enter, jupyter: Jupyter, upgrade: str) -> None:
    inside = enter()
    jupyter.seen.clear()

    raw_request(
        inside,
        "GET /x HTTP/1.1",
        "Connection: Upgrade, HTTP2-Settings",
        f"Upgrade: {upgrade}",
        "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA",
    )

    for seen in jupyter.seen:
        assert seen["path"] == "/x"
        assert "Upgrade" not in seen["headers"]
        assert "HTTP2-Settings" not in seen["headers"]


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_an_upgrade_without_a_handshake_reaches_nothing(
    enter: Enter, jupyter: Jupyter, method: str
) -> None:
    inside = enter()
    jupyter.seen.clear()
    lines = ["Connection: Upgrade", "Upgrade: websocket"]
    if method == "POST":
        lines += ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]

    answer = raw_request(inside, f"{method} {CHANNELS} HTTP/1.1", *lines)

    assert b" 101 " not in answer
    assert jupyter.seen == []


@pytest.mark.parametrize(
    "path",
    [
        "/_bodoweb",
        "/_bodoweb/",
        "/_bodoweb/nothing",
        "/_bodoweb%2fclusters",
        "/%5fbodoweb/clusters",
        "//_bodoweb/clusters",
        "/x/../_bodoweb/clusters",
        "/%2e/_bodoweb/clusters",
        "/_BODOWEB/clusters",
        "/_bodoweb%252fclusters",
        "/%255fbodoweb/clusters",
        "/\\_bodoweb/clusters",
        "/_bodoweb/clusters/",
        "/_bodoweb//clusters",
    ],
)
def test_our_own_paths_have_one_spelling_and_never_reach_jupyter(
    enter: Enter, jupyter: Jupyter, routes: dict[str, Any], path: str
) -> None:
    routes["/_bodoweb/clusters"] = lambda visit, method, body: (200, {})
    inside = enter()
    jupyter.seen.clear()

    answer = inside.browser.fetch(f"{inside.origin}{path}")

    assert answer.status == 404
    assert jupyter.seen == []


def test_no_secret_is_logged(enter: Enter, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    inside = enter()
    ticket = inside.person.ticket(inside.notebook)
    inside.browser.visit(ticket)
    inside.browser.visit(ticket)
    with pytest.raises((IncompleteRead, ConnectionError)):
        inside.browser.fetch(f"{inside.origin}/break?secret=1")

    cookie = inside.browser.cookies[inside.origin.removeprefix("http://")]["bodoweb-notebook"]
    ours = "\n".join(
        record.getMessage() for record in caplog.records if record.name.startswith("workspaces")
    )
    assert str(inside.notebook.uuid) in ours
    for secret in (ticket.partition("ticket=")[2], TOKEN, cookie, "secret=1"):
        assert secret not in ours
    warned = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert all(ticket.partition("ticket=")[2] not in str(record.__dict__) for record in warned)


# Our own paths ------------------------------------------------------------------------------------


@pytest.fixture
def asked(routes: dict[str, Any]) -> list[tuple[Visit, str, dict[str, Any]]]:
    calls: list[tuple[Visit, str, dict[str, Any]]] = []

    def handle(visit: Visit, method: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        calls.append((visit, method, body))
        if body.get("fail"):
            raise KeyError("a secret detail")
        return 201, {"name": Notebook.objects.get(pk=visit.notebook.pk).name}

    routes["/_bodoweb/attach"] = handle
    return calls


def test_a_route_knows_who_asks(enter: Enter, asked: list[Any], jupyter: Jupyter) -> None:
    inside = enter()
    jupyter.seen.clear()
    address = f"{inside.origin}/_bodoweb/attach"

    posted = inside.browser.fetch(address, "POST", body=b'{"cluster": "x"}')
    got = inside.browser.fetch(f"{address}?a=1&b=")

    assert (posted.status, posted.json()) == (201, {"name": "My Notebook"})
    assert got.status == 201
    (visit, method, body), (_, second, query) = asked
    assert (visit.user, visit.notebook, visit.role) == (
        inside.person.user,
        inside.notebook,
        "MEMBER",
    )
    assert (method, body) == ("POST", {"cluster": "x"})
    assert (second, query) == ("GET", {"a": "1"})
    assert jupyter.seen == []


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"Origin": "http://evil.example"}, b"{}", 403),
        ({"Cookie": ""}, b"{}", 401),
        ({}, b"[1]", 400),
        ({}, b"{", 400),
        ({}, b"\xff", 400),
        ({}, b'{"x": "' + b"x" * 65536 + b'"}', 413),
        ({}, b'{"fail": 1}', 500),
    ],
)
def test_what_a_route_refuses(
    enter: Enter, asked: list[Any], headers: dict[str, str], body: bytes, status: int
) -> None:
    inside = enter()

    answer = inside.browser.fetch(f"{inside.origin}/_bodoweb/attach", "POST", headers, body)

    assert answer.status == status
    assert "secret detail" not in answer.text
    if status not in {401, 403}:
        assert answer.json()["message"]
    assert len(asked) == (status == 500)


def test_a_route_is_no_socket(enter: Enter, asked: list[Any]) -> None:
    inside = enter()

    with (
        pytest.raises(InvalidStatus) as refused,
        inside.browser.socket(f"{inside.origin}/_bodoweb/attach"),
    ):
        pass

    assert refused.value.response.status_code == 404
    assert asked == []


def test_health_is_told_to_anybody(port: int) -> None:
    answer = Browser(port).fetch(f"http://127.0.0.1:{port}/healthz")

    assert (answer.status, answer.body) == (200, b"ok\n")
