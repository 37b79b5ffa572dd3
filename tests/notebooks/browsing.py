"""A browser as far as the notebook origin is concerned, and the real server it talks to."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.stack import ROOT
from tests.waiting import wait_until

WORDS = {"true": True, "false": False}


def uvicorn_options() -> dict[str, Any]:
    """How the process manager starts it, so that tests see the same limits."""
    text = (ROOT / "bodoweb" / "supervisord.conf").read_text()
    command = next(line for line in text.splitlines() if "-m uvicorn" in line)
    options: dict[str, Any] = {}
    for name, value in re.findall(r"--([a-z-]+)(?: (?!--)(\S+))?", command.partition("uvicorn")[2]):
        if name in {"host", "port"}:
            continue
        key, given = name.replace("-", "_"), value.strip('"')
        if key.startswith("no_"):
            options[key[3:]] = False
        else:
            options[key] = WORDS.get(given, int(given) if given.isdigit() else given)
    return options


class Served:
    """An ASGI application on 127.0.0.1, in a thread, by the real server."""

    def __init__(self, application: Any, listener: socket.socket) -> None:
        options = uvicorn_options()
        options["timeout_graceful_shutdown"] = 1
        self.port: int = listener.getsockname()[1]
        self._listener = listener
        self._server = uvicorn.Server(uvicorn.Config(application, log_config=None, **options))
        self._thread = threading.Thread(target=self._server.run, args=([listener],), daemon=True)

    def __enter__(self) -> Served:
        self._thread.start()
        wait_until(lambda: self._server.started)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive()
        self._listener.close()


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Browser:
    """Sends to 127.0.0.1 whatever host an address names. Cookies are per host, as they are."""

    port: int
    cookies: dict[str, dict[str, str]] = field(default_factory=dict)

    def fetch(
        self,
        address: str,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        **options: Any,
    ) -> Answer:
        """As a script of the same page would; ``None`` as a header's value leaves it out."""
        where = urlsplit(address)
        target = where.path + (f"?{where.query}" if where.query else "")
        sent = self.headers_for(where.netloc, method, headers or {})
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(line):
            line.request(method, target or "/", body, sent, **options)
            found = line.getresponse()
            answer = Answer(found.status, found.headers, found.read())
        self._keep(where.netloc, answer)
        return answer

    def headers_for(
        self, netloc: str, method: str, headers: Mapping[str, str | None]
    ) -> dict[str, str]:
        sent: dict[str, str | None] = {"Host": netloc}
        if jar := self.cookies.get(netloc):
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in jar.items())
        if method not in {"GET", "HEAD", "OPTIONS"}:
            sent["Origin"] = f"http://{netloc}"
        sent |= headers
        return {name: value for name, value in sent.items() if value is not None}

    def visit(self, address: str) -> Answer:
        """As a person who follows a link: redirects too."""
        headers = {
            "Sec-Fetch-Site": "cross-site",
            "Sec-Fetch-Mode": "navigate",
            "Sec-Fetch-Dest": "document",
            "Accept": "text/html",
        }
        answer = self.fetch(address, headers=headers)
        if answer.status == 303:
            where = urlsplit(address)
            return self.visit(f"{where.scheme}://{where.netloc}{answer.headers['Location']}")
        return answer

    @contextlib.contextmanager
    def stream(self, address: str) -> Iterator[http.client.HTTPResponse]:
        where = urlsplit(address)
        target = where.path + (f"?{where.query}" if where.query else "")
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(line):
            line.request("GET", target, headers=self.headers_for(where.netloc, "GET", {}))
            yield line.getresponse()

    def socket(
        self, address: str, *, origin: str | None = "own", cookie: str | None = None, **options: Any
    ) -> ClientConnection:
        where = urlsplit(address)
        own = f"http://{where.netloc}"
        jar = self.cookies.get(where.netloc, {})
        header = cookie or "; ".join(f"{name}={value}" for name, value in jar.items())
        return connect(
            address.replace("http:", "ws:", 1),
            sock=socket.create_connection(("127.0.0.1", self.port)),
            origin=own if origin == "own" else origin,  # type: ignore[arg-type]  # a str type
            additional_headers={"Cookie": header} if header else {},
            proxy=None,
            **{"max_size": None, "compression": None, **options},
        )

    def raw(self, request: bytes) -> bytes:
        """Bytes as they are; answers all that comes until the server closes or is silent."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as line:
            line.sendall(request)
            got = b""
            with contextlib.suppress(TimeoutError, ConnectionResetError):
                line.settimeout(0.7)
                while piece := line.recv(65536):
                    got += piece
            return got

    def _keep(self, netloc: str, answer: Answer) -> None:
        for header in answer.headers.get_all("Set-Cookie", []):
            for name, morsel in SimpleCookie(header).items():
                self.cookies.setdefault(netloc, {})[name] = morsel.value


def closing_of(line: ClientConnection, *, timeout: float = 5) -> tuple[int, str]:
    """Code and reason with which the server closes; fails when it does not."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            line.recv(timeout=max(0.01, deadline - time.monotonic()))
        except ConnectionClosed as closed:
            frame = closed.rcvd
            return (frame.code, frame.reason) if frame else (1006, "")
