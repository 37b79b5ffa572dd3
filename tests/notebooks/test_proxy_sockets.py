"""WebSockets through the real server."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.notebooks.browsing import closing_of, uvicorn_options
from tests.notebooks.conftest import Inside
from tests.notebooks.jupyter import PIECE, Jupyter
from tests.waiting import wait_until
from workspaces.notebooks.sockets import MESSAGE_BYTES

MIB = 1024 * 1024
Enter = Callable[..., Inside]
CHANNELS = "/api/kernels/k/channels?session_id=s"


def test_text_and_bytes_pass_both_ways(enter: Enter, address: str, jupyter: Jupyter) -> None:
    inside = enter(address=address)

    with inside.browser.socket(f"{inside.origin}{CHANNELS}") as line:
        line.send("grüße")
        assert line.recv() == "grüße"
        line.send(b"\x00\xff")
        assert line.recv() == b"\x00\xff"
        line.send("")
        assert line.recv() == ""
        line.send(["in", " two ", "frames"])
        assert line.recv() == "in two frames"

    seen = jupyter.seen[-1]
    assert seen["path"] == CHANNELS
    assert seen["headers"]["Host"] == inside.origin.removeprefix("http://")
    assert "Cookie" not in seen["headers"]


def test_jupyter_chooses_the_subprotocol(enter: Enter) -> None:
    inside = enter()
    address = f"{inside.origin}{CHANNELS}"

    with inside.browser.socket(address, subprotocols=["v1.kernel", "other"]) as line:
        assert line.subprotocol == "v1.kernel"
    with inside.browser.socket(address) as line:
        assert line.subprotocol is None


@pytest.mark.parametrize(("code", "reason"), [(1000, "done"), (1001, ""), (4001, "own words é")])
def test_close_codes_pass_to_the_browser(enter: Enter, code: int, reason: str) -> None:
    inside = enter()

    with inside.browser.socket(f"{inside.origin}{CHANNELS}") as line:
        line.send(f"close {code} {reason}")

        assert closing_of(line) == (code, reason)


@pytest.mark.parametrize("code", [1000, 1001, 4002])
def test_close_codes_pass_to_jupyter(enter: Enter, jupyter: Jupyter, code: int) -> None:
    inside = enter()

    with inside.browser.socket(f"{inside.origin}{CHANNELS}") as line:
        line.close(code, "enough")

    assert wait_until(lambda: jupyter.closed_with) == [(code, "")]


def test_a_browser_that_vanishes_frees_jupyter(enter: Enter, jupyter: Jupyter) -> None:
    inside = enter()
    with inside.browser.socket(f"{inside.origin}{CHANNELS}") as line:
        wait_until(lambda: jupyter.open == 1)

        line.socket.shutdown(socket.SHUT_RDWR)

        wait_until(lambda: jupyter.open == 0)


def test_a_server_that_vanishes_closes_the_browsers_side(enter: Enter) -> None:
    inside = enter()

    with inside.browser.socket(f"{inside.origin}{CHANNELS}") as line:
        line.send("abort")

        code, reason = closing_of(line)

    assert code == 1011
    assert "notebook server" in reason


def test_pings_are_answered_on_each_side(enter: Enter) -> None:
    inside = enter()

    with inside.browser.socket(f"{inside.origin}{CHANNELS}") as line:
        assert line.ping(b"1").wait(5)
        line.send("ping me")
        assert line.recv(5) == "pinged"
        line.send("still there")
        assert line.recv(5) == "still there"


def test_large_messages_pass_up_to_the_limit(enter: Enter) -> None:
    inside = enter()
    large = bytes(MESSAGE_BYTES)

    with inside.browser.socket(f"{inside.origin}{CHANNELS}") as line:
        line.send(large)
        assert line.recv(30) == large


def test_larger_messages_end_the_connection(enter: Enter, jupyter: Jupyter) -> None:
    inside = enter()

    with inside.browser.socket(f"{inside.origin}{CHANNELS}") as line:
        with contextlib.suppress(ConnectionClosed):
            line.send(bytes(MESSAGE_BYTES + 1))
        # The kernel may drop the reason when it resets a connection that is still being written.
        assert closing_of(line, timeout=30)[0] in {1009, 1006}
    assert wait_until(lambda: jupyter.closed_with) == [(1009, "")]
    with inside.browser.socket(f"{inside.origin}{CHANNELS}") as line:
        line.send(f"send {MESSAGE_BYTES + 1}")
        assert closing_of(line, timeout=30)[0] == 1009


def test_the_real_server_is_started_with_the_same_limit() -> None:
    assert uvicorn_options()["ws_max_size"] == MESSAGE_BYTES


def test_a_slow_browser_slows_jupyter_down(enter: Enter, jupyter: Jupyter) -> None:
    inside = enter()
    jupyter.sent_bytes = 0

    with inside.browser.socket(f"{inside.origin}{CHANNELS}", max_queue=1) as line:
        line.send("flood 4000")  # 250 MiB
        line.recv()
        seen = [0]

        def is_stuck() -> bool:
            seen.append(jupyter.sent_bytes)
            return len(seen) > 10 and seen[-10] == seen[-1] > 0

        wait_until(is_stuck, every=0.05)
        assert jupyter.sent_bytes < 32 * MIB
        assert jupyter.sent_bytes % PIECE == 0
        line.socket.shutdown(socket.SHUT_RDWR)


def test_a_refusal_of_jupyter_is_passed_on(enter: Enter) -> None:
    inside = enter()

    with (
        pytest.raises(InvalidStatus) as refused,
        inside.browser.socket(f"{inside.origin}/api/kernels/missing/channels"),
    ):
        pass

    assert refused.value.response.status_code == 404


def test_a_dead_server_refuses_the_handshake(enter: Enter) -> None:
    inside = enter()
    type(inside.notebook).objects.update(address="http://127.0.0.1:1")
    wait_until(lambda: inside.browser.fetch(f"{inside.origin}/api/status").status == 502)

    with (
        pytest.raises(InvalidStatus) as refused,
        inside.browser.socket(f"{inside.origin}{CHANNELS}"),
    ):
        pass

    assert refused.value.response.status_code == 502
