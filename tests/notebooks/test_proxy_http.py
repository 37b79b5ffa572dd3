"""Requests and answers through the real server, on a unix socket and on TCP."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from http.client import IncompleteRead
from typing import Any

import pytest

from tests.notebooks.conftest import Inside
from tests.notebooks.jupyter import TOKEN, Jupyter
from tests.waiting import wait_until
from workspaces.notebooks.masking import Mask

MIB = 1024 * 1024
Enter = Callable[..., Inside]


def test_a_ticket_opens_lab_and_the_cookie_keeps_it_open(enter: Enter, address: str) -> None:
    inside = enter(address=address)

    answer = inside.browser.fetch(f"{inside.origin}/api/status")

    assert answer.status == 200
    assert answer.json() == {"kernels": 0}


def test_the_cookie_belongs_to_the_host_alone(enter: Enter, settings: Any) -> None:
    inside = enter()
    address = inside.person.ticket(inside.notebook)

    cookie = inside.browser.fetch(address).headers["Set-Cookie"]

    words = {word.strip() for word in cookie.split(";")[1:]}
    assert words == {"Path=/", "HttpOnly", "SameSite=Lax", f"Max-Age={14 * 24 * 3600}"}
    assert cookie.startswith("bodoweb-notebook=")


def test_a_request_arrives_as_it_was_sent(enter: Enter, jupyter: Jupyter) -> None:
    inside = enter()
    body = b"content" * 1000

    echo = inside.browser.fetch(
        f"{inside.origin}//a%2Fb/%c3%a9;x=1?q=a%20b&token=&q=c+d",
        "PUT",
        {"X-Own": "kept", "Content-Type": "text/x"},
        body,
    ).json()

    assert echo["method"] == "PUT"
    assert echo["path"] == "//a%2Fb/%c3%a9;x=1?q=a%20b&token=&q=c+d"
    assert echo["sha256"] == hashlib.sha256(body).hexdigest()
    names = [name.lower() for name, _ in echo["headers"]]
    headers = {name.lower(): value for name, value in echo["headers"]}
    assert len(names) == len(set(names))
    assert headers["host"] == inside.origin.removeprefix("http://")
    assert headers["content-length"] == str(len(body))
    assert headers["x-own"] == "kept"
    assert headers["content-type"] == "text/x"
    assert headers["authorization"] == f"token {TOKEN}"


def test_what_a_client_claims_does_not_reach_jupyter(enter: Enter) -> None:
    inside = enter()
    own = inside.browser.cookies[inside.origin.removeprefix("http://")]
    cookies = "; ".join(f"{name}={value}" for name, value in own.items())

    sent = {
        "Authorization": "token stolen",
        "Cookie": f"a=1; sessionid=s; csrftoken=c; __Host-sessionid=h; {cookies}; _xsrf=x",
        "Connection": "keep-alive, X-Hop",
        "X-Hop": "1",
        "TE": "trailers",
        "Keep-Alive": "timeout=5",
        "Proxy-Authorization": "Basic x",
        "X-Forwarded-For": "10.0.0.1",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil.example",
        "X-Real-IP": "10.0.0.1",
        "Forwarded": "for=10.0.0.1",
        "Via": "1.1 nobody",
    }
    echo = inside.browser.fetch(f"{inside.origin}/echo", headers=sent).json()

    headers = {name.lower(): value for name, value in echo["headers"]}
    assert headers["authorization"] == f"token {TOKEN}"
    assert headers["cookie"] == "a=1; _xsrf=x"
    told = {name.lower() for name in sent} - {"authorization", "cookie", "connection"}
    assert told & set(headers) == set()
    assert own["bodoweb-notebook"] not in str(echo)


def test_what_jupyter_answers_is_cleaned(enter: Enter) -> None:
    inside = enter()

    answer = inside.browser.fetch(f"{inside.origin}/odd")

    headers = answer.headers
    assert (answer.status, answer.body) == (418, b"odd")
    assert headers["X-Kept"] == "yes"
    assert headers.get_all("Set-Cookie") == ["_xsrf=2|abc; Path=/"]
    assert [headers[name] for name in ("X-Hop", "Keep-Alive", "Location", "Server")] == [None] * 4
    assert headers.get_all("X-Frame-Options") == ["SAMEORIGIN"]
    assert headers.get_all("Content-Security-Policy") == [
        "frame-ancestors 'self'; report-uri /x",
        "frame-ancestors 'self'",
    ]
    assert headers.get_all("Cross-Origin-Opener-Policy") == ["same-origin"]
    assert headers.get_all("Cross-Origin-Resource-Policy") == ["same-origin"]
    assert headers.get_all("Referrer-Policy") == ["same-origin"]
    assert len(headers.get_all("Date") or []) == 1
    assert TOKEN not in str(headers)


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_the_token_is_in_no_page(enter: Enter, encoding: str) -> None:
    inside = enter()

    answer = inside.browser.fetch(f"{inside.origin}/lab", headers={"Accept-Encoding": encoding})

    assert answer.text == '<script type="application/json">{"token": "", "x": 1}</script>é'


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_a_secret_is_found_wherever_it_is_cut(size: int) -> None:
    text = b"ababac ab abac aba ababacababac abab"
    mask = Mask("ababac")

    pieces = [mask.feed(text[at : at + size]) for at in range(0, len(text), size)]

    assert b"".join([*pieces, mask.end()]) == text.replace(b"ababac", b"")


def test_a_mask_keeps_nothing_back_that_can_not_be_the_secret() -> None:
    mask = Mask("secret")

    assert mask.feed(b"hello") == b"hello"
    assert mask.feed(b"se") == b""
    assert mask.feed(b"e") == b"see"
    assert mask.end() == b""


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "POST", "PATCH", "DELETE"])
def test_all_methods_of_jupyter_pass(enter: Enter, method: str, jupyter: Jupyter) -> None:
    inside = enter()

    answer = inside.browser.fetch(f"{inside.origin}/echo", method)

    assert answer.status == 200
    assert jupyter.seen[-1]["method"] == method


def test_large_answers_pass_whole(enter: Enter, address: str) -> None:
    inside = enter(address=address)

    answer = inside.browser.fetch(f"{inside.origin}/big/20")

    assert len(answer.body) == 20 * MIB
    assert answer.headers["Content-Length"] == str(20 * MIB)


def test_an_answer_is_passed_on_while_it_is_made(enter: Enter) -> None:
    inside = enter()

    with inside.browser.stream(f"{inside.origin}/stream") as answer:
        assert answer.read(30) == b"x" * 30


def test_a_slow_browser_slows_jupyter_down(enter: Enter, jupyter: Jupyter) -> None:
    inside = enter()

    with inside.browser.stream(f"{inside.origin}/stream?piece={MIB}") as answer:
        answer.read(1)
        seen = [0]

        def is_stuck() -> bool:
            seen.append(jupyter.sent_bytes)
            return len(seen) > 10 and seen[-10] == seen[-1] > 0

        wait_until(is_stuck, every=0.05)
        # Sockets and buffers on the way hold a few MiB; without back pressure it goes on forever.
        assert jupyter.sent_bytes < 32 * MIB


def test_a_browser_that_leaves_frees_jupyter(enter: Enter, jupyter: Jupyter) -> None:
    inside = enter()

    with inside.browser.stream(f"{inside.origin}/stream") as answer:
        answer.read(10)
        assert jupyter.open == 1

    wait_until(lambda: jupyter.open == 0, timeout=5)


# 413 ------------------------------------------------------------------------------------------


@pytest.fixture
def one_mib(settings: Any) -> int:
    settings.UPLOAD_MIB = 1
    return MIB


def pieces_of(size: int) -> Iterator[bytes]:
    for start in range(0, size, 100_000):
        yield b"x" * min(100_000, size - start)


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH"])
def test_exactly_the_limit_passes(enter: Enter, one_mib: int, method: str) -> None:
    inside = enter()

    whole = inside.browser.fetch(f"{inside.origin}/x", method, body=b"x" * one_mib)
    streamed = inside.browser.fetch(f"{inside.origin}/x", method, body=pieces_of(one_mib))

    assert [whole.json()["size"], streamed.json()["size"]] == [one_mib, one_mib]


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH"])
def test_one_byte_more_does_not(enter: Enter, one_mib: int, method: str, jupyter: Jupyter) -> None:
    inside = enter()
    jupyter.seen.clear()

    whole = inside.browser.fetch(f"{inside.origin}/x", method, body=b"x" * (one_mib + 1))
    streamed = inside.browser.fetch(f"{inside.origin}/x", method, body=pieces_of(one_mib + 1))

    assert [whole.status, streamed.status] == [413, 413]
    assert "1 MiB is the most" in whole.text
    # Lab shows "Invalid response: 413 ..." for a text, and only the message for JSON.
    assert whole.headers["Content-Type"].startswith("text/plain")
    assert len(jupyter.seen) == 1  # the streamed one, cut off


def test_a_declared_length_is_refused_before_anything_is_read(
    enter: Enter, jupyter: Jupyter
) -> None:
    inside = enter()
    jupyter.seen.clear()
    netloc = inside.origin.removeprefix("http://")
    headers = inside.browser.headers_for(netloc, "PUT", {"Content-Length": str(16 * MIB + 1)})
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())

    answer = inside.browser.raw(
        f"PUT /api/contents/x.ipynb HTTP/1.1\r\n{lines}Expect: 100-continue\r\n\r\n".encode()
    )

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert jupyter.seen == []


def test_an_upload_that_is_given_up_frees_jupyter(enter: Enter, jupyter: Jupyter) -> None:
    inside = enter()
    netloc = inside.origin.removeprefix("http://")
    headers = inside.browser.headers_for(netloc, "PUT", {"Content-Length": "1000"})
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())

    assert inside.browser.raw(f"PUT /x HTTP/1.1\r\n{lines}\r\nhalf".encode()) == b""

    assert jupyter.seen[-1]["path"] == "/x"
    wait_until(lambda: jupyter.open == 0, timeout=5)


def piece_of(number: int, size: int) -> bytes:
    """As Lab sends it: a model with a part of the file in base64."""
    content = base64.b64encode(b"x" * size).decode()
    model = {"type": "file", "format": "base64", "name": "x", "chunk": number, "content": content}
    return json.dumps(model).encode()


def send_pieces(inside: Inside, name: str, sizes: list[int]) -> list[int]:
    """The statuses; stops at the first refusal, as Lab does."""
    statuses: list[int] = []
    for number, size in enumerate(sizes, 1):
        chunk = -1 if number == len(sizes) else number
        answer = inside.browser.fetch(
            f"{inside.origin}/api/contents/{name}", "PUT", body=piece_of(chunk, size)
        )
        statuses.append(answer.status)
        if answer.status != 200:
            break
    return statuses


def test_a_file_in_pieces_may_be_as_large_as_one_save(
    enter: Enter, one_mib: int, jupyter: Jupyter
) -> None:
    inside = enter()
    jupyter.seen.clear()

    assert send_pieces(inside, "a", [400_000, 400_000, one_mib - 800_000]) == [200] * 3
    assert send_pieces(inside, "a", [400_000, 400_000, one_mib - 800_000]) == [200] * 3
    assert [seen["method"] for seen in jupyter.seen] == ["PUT"] * 6


def test_a_file_in_pieces_that_grows_larger_is_refused_and_removed(
    enter: Enter, one_mib: int, jupyter: Jupyter
) -> None:
    inside = enter()
    jupyter.seen.clear()

    statuses = send_pieces(inside, "a%20b", [400_000, 400_000, one_mib - 800_000 + 1])

    assert statuses == [200, 200, 413]
    seen = [(seen["method"], seen["path"]) for seen in jupyter.seen]
    assert seen == [("PUT", "/api/contents/a%20b")] * 2 + [("DELETE", "/api/contents/a%20b")]
    assert send_pieces(inside, "a%20b", [one_mib // 2, one_mib // 2]) == [200, 200]


# Jupyter away -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:1", "unix:/nowhere/socket", f"unix:/nowhere/{'x' * 150}", ""]
)
def test_a_dead_server_is_told_with_a_way_on(enter: Enter, address: str, settings: Any) -> None:
    inside = enter()
    type(inside.notebook).objects.update(address=address)
    wait_until(lambda: inside.browser.fetch(f"{inside.origin}/api/status").status == 502)

    page = inside.browser.visit(f"{inside.origin}/lab")

    assert page.status == 502
    assert "The notebook server does not answer. Restart it" in page.text
    link = f"{settings.PUBLIC_URL}/w/{inside.notebook.workspace.uuid}/notebooks/"
    assert f'href="{link}"' in page.text


def test_half_an_answer_is_not_passed_on_as_a_whole_one(enter: Enter) -> None:
    inside = enter()

    with inside.browser.stream(f"{inside.origin}/break") as answer:
        assert answer.status == 200
        with pytest.raises((IncompleteRead, ConnectionError)):
            answer.read()


def test_a_server_that_was_restarted_is_found_again(enter: Enter, jupyter: Jupyter) -> None:
    inside = enter()
    jupyter.stop()
    away = inside.browser.fetch(f"{inside.origin}/api/status")

    jupyter.start()

    assert away.status == 502
    assert inside.browser.fetch(f"{inside.origin}/api/status").status == 200


@pytest.mark.parametrize("state", ["NEW", "PAUSED", "FAILED", "READINESSPROBE"])
def test_a_notebook_that_does_not_run_says_so(enter: Enter, state: str) -> None:
    inside = enter()
    type(inside.notebook).objects.update(state=state)
    wait_until(lambda: inside.browser.fetch(f"{inside.origin}/api/status").status == 503)

    page = inside.browser.visit(f"{inside.origin}/lab")
    script = inside.browser.fetch(f"{inside.origin}/api/status")

    assert f"The notebook is {state}." in page.text
    assert f"/w/{inside.notebook.workspace.uuid}/notebooks/" in page.text
    assert script.headers["Content-Type"].startswith("text/plain")
    assert script.headers["Retry-After"]
