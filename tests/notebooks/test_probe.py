"""The probe: an answer, or a sentence that says why there is none."""

from __future__ import annotations

import json
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from workspaces.notebooks.probe import NoAnswer, ask, probe
from workspaces.notebooks.unix_path import UnixPath

TOKEN = "a-token"


class Jupyter(BaseHTTPRequestHandler):
    """Knows the paths below, for who shows the token."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        status, body = 404, b"{}"
        if self.headers["Authorization"] != f"token {TOKEN}":
            status = 403
        elif self.path == "/api/status?no_track_activity=1":
            status, body = 200, json.dumps({"kernels": 2}).encode()
        elif self.path == "/text?no_track_activity=1":
            status, body = 200, b"hello"
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "client"

    def log_message(self, format: str, *arguments: object) -> None:
        pass


class UnixServer(socketserver.ThreadingMixIn, HTTPServer):
    address_family = socket.AF_UNIX
    daemon_threads = True

    def server_bind(self) -> None:
        with UnixPath(str(self.server_address)) as short:
            self.socket.bind(short.path)


@pytest.fixture
def serve() -> Iterator[Callable[[HTTPServer], None]]:
    running: list[HTTPServer] = []

    def start(server: HTTPServer) -> None:
        running.append(server)
        threading.Thread(target=server.serve_forever, args=(0.02,)).start()

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.fixture(params=["tcp", "unix", "deep unix"])
def address(
    request: pytest.FixtureRequest, tmp_path: Path, serve: Callable[[HTTPServer], None]
) -> str:
    if request.param == "tcp":
        server = HTTPServer(("127.0.0.1", 0), Jupyter)
        serve(server)
        return f"http://127.0.0.1:{server.server_port}"
    folder = tmp_path / ("deep" * 40) if request.param == "deep unix" else tmp_path
    folder.mkdir(exist_ok=True)
    serve(UnixServer(str(folder / "s"), Jupyter))  # type: ignore[arg-type]  # a path here
    return f"unix:{folder / 's'}"


def test_a_ready_server_is_ready(address: str) -> None:
    assert probe(address, TOKEN) == ""
    assert ask(address, TOKEN, "/api/status") == {"kernels": 2}


def test_a_wrong_answer_is_told(address: str) -> None:
    assert probe(address, "wrong") == "The notebook server answered 403 where 200 was expected."
    with pytest.raises(NoAnswer, match="answered 404"):
        ask(address, TOKEN, "/api/nothing")
    with pytest.raises(NoAnswer, match="not JSON"):
        ask(address, TOKEN, "/text")


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("http://127.0.0.1:1", "does not answer yet: Connection refused"),
        ("unix:/nowhere/at/all", "does not answer yet: No such file or directory"),
        (f"unix:/nowhere/{'deep/' * 40}s", "does not answer yet: No such file or directory"),
        ("", "has no address yet"),
        ("https://127.0.0.1", "has no address yet"),
    ],
)
def test_no_answer_is_told(address: str, reason: str) -> None:
    assert reason in probe(address, TOKEN)


def test_a_server_that_hangs_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"

        assert "does not answer yet" in probe(address, TOKEN, timeout=0.2)
