"""What the notebook proxy adds: bytes per second, milliseconds, memory; against direct."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import time
from collections.abc import Callable, Iterator
from statistics import median

import psutil
import pytest

from tests.notebooks.browsing import Browser
from tests.notebooks.guests import Guest, invite, jupyter_process, unwatched_stack
from tests.notebooks.jupyter import TOKEN
from tests.stack import Stack

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]

MIB = 2**20
DOWNLOAD_MIB, DOWNLOADS, REQUESTS, SOCKETS = 200, 5, 400, 200


class Line:
    """One kept connection that reads as a quick browser does."""

    def __init__(self, connected: socket.socket, headers: dict[str, str]) -> None:
        self._line = http.client.HTTPConnection("127.0.0.1")
        self._line.sock, self._headers = connected, headers
        self._buffer = bytearray(MIB)

    def get(self, path: str) -> float:
        """Seconds until all of it was there."""
        started = time.perf_counter()
        self._line.request("GET", path, headers=self._headers)
        answer = self._line.getresponse()
        assert answer.status == 200
        while answer.readinto(self._buffer):
            pass
        return time.perf_counter() - started


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with unwatched_stack(tmp_path_factory.mktemp("proxy")) as running:
        yield running


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    with jupyter_process(tmp_path_factory.mktemp("jupyter")) as found:
        yield found


@pytest.fixture(scope="module")
def demo(stack: Stack) -> dict[str, str]:
    return stack.demo()


@pytest.fixture(scope="module")
def guest(stack: Stack, demo: dict[str, str], addresses: tuple[str, str]) -> Guest:
    return invite(stack, demo, addresses[0])


@pytest.fixture(scope="module")
def browser(stack: Stack, guest: Guest) -> Browser:
    return guest.enter(stack.notebook_port)


@pytest.fixture
def direct(addresses: tuple[str, str]) -> Line:
    """To the same server over TCP as browsers do, with the token; the proxy has its unix socket."""
    port = int(addresses[1].rpartition(":")[2])
    headers = {"Authorization": f"token {TOKEN}"}
    return Line(socket.create_connection(("127.0.0.1", port)), headers)


@pytest.fixture
def proxied(stack: Stack, guest: Guest, browser: Browser) -> Line:
    headers = browser.headers_for(guest.netloc, "GET", {})
    return Line(socket.create_connection(("127.0.0.1", stack.notebook_port)), headers)


def proxy(stack: Stack) -> psutil.Process:
    return stack.processes()["notebooks"][0]


def test_bytes_per_second(
    stack: Stack, direct: Line, proxied: Line, report: Callable[[str], None]
) -> None:
    path = f"/big/{DOWNLOAD_MIB}"
    for line in (direct, proxied):
        line.get("/big/20")
    busy = sum(proxy(stack).cpu_times()[:2])
    pairs = [(direct.get(path), proxied.get(path)) for _ in range(DOWNLOADS)]
    busy = sum(proxy(stack).cpu_times()[:2]) - busy

    alone, through = (median(column) for column in zip(*pairs, strict=True))
    report(
        f"notebook proxy, {DOWNLOAD_MIB} MiB: direct {DOWNLOAD_MIB / alone:.0f} MiB/s, through it "
        f"{DOWNLOAD_MIB / through:.0f} MiB/s, {100 * alone / through:.0f} % of direct "
        f"(goal: at least 50 %); load {os.getloadavg()[0]:.1f}; "
        f"{1000 * busy / DOWNLOADS / DOWNLOAD_MIB:.2f} ms of processor a MiB"
    )


def test_milliseconds_added(direct: Line, proxied: Line, report: Callable[[str], None]) -> None:
    pairs = [(direct.get("/api/status"), proxied.get("/api/status")) for _ in range(REQUESTS)]

    alone, through = (1000 * median(column) for column in zip(*pairs, strict=True))
    report(
        f"notebook proxy, /api/status: direct {alone:.2f} ms, through it {through:.2f} ms, "
        f"{through - alone:.2f} ms more (goal: less than 3 ms)"
    )


def test_memory_with_many_open_sockets(
    stack: Stack, guest: Guest, browser: Browser, report: Callable[[str], None]
) -> None:
    process = proxy(stack)
    before = process.memory_full_info().pss
    with contextlib.ExitStack() as open_lines:
        lines = [
            open_lines.enter_context(browser.socket(f"{guest.origin}/api/kernels/{n}/channels"))
            for n in range(SOCKETS)
        ]
        for line in lines:
            line.send("x" * 10_000)
        assert all(line.recv(30) == "x" * 10_000 for line in lines)
        after = process.memory_full_info().pss
        busy, started = sum(process.cpu_times()[:2]), time.monotonic()
        time.sleep(5)  # the measurement: they are open and silent
        idle = (sum(process.cpu_times()[:2]) - busy) / (time.monotonic() - started)

    report(
        f"notebook proxy, {SOCKETS} open WebSockets: {after / MIB:.0f} MiB, "
        f"{before / MIB:.0f} MiB before, {(after - before) / SOCKETS / 1024:.0f} KiB each; "
        f"{100 * idle:.1f} % of a core while silent"
    )


def test_messages_per_second(guest: Guest, browser: Browser, report: Callable[[str], None]) -> None:
    with browser.socket(f"{guest.origin}/api/kernels/k/channels") as line:
        times = []
        for _ in range(REQUESTS):
            started = time.perf_counter()
            line.send("x" * 500)
            line.recv(10)
            times.append(1000 * (time.perf_counter() - started))

    report(f"notebook proxy, WebSocket there and back: {median(times):.2f} ms")


def test_idle_cost(stack: Stack, report: Callable[[str], None]) -> None:
    process = proxy(stack)
    busy, started = sum(process.cpu_times()[:2]), time.monotonic()
    time.sleep(15)  # the measurement: nobody is inside
    idle = (sum(process.cpu_times()[:2]) - busy) / (time.monotonic() - started)

    report(
        f"notebook proxy, nobody inside: {100 * idle:.2f} % of a core (goal: below 0.2 %), "
        f"{process.memory_full_info().pss / MIB:.0f} MiB (PSS); load {os.getloadavg()[0]:.1f}"
    )
