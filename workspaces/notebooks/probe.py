"""Asking a notebook server from ordinary, synchronous code: is it ready, what does it do?

Nothing here counts as the user's activity.
"""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any
from urllib.parse import urlsplit

from workspaces.notebooks.unix_path import UnixPath

ANSWER_BYTES_AT_MOST = 4 * 1024 * 1024


class NoAnswer(Exception):  # noqa: N818 - reads as a state
    """Why the server did not give the expected answer, in a sentence."""


def probe(address: str, token: str, *, timeout: float = 2.0) -> str:
    """ "" when the server at ``address`` is ready for its user, else why it is not (F038)."""
    try:
        ask(address, token, "/api/status", timeout=timeout)
    except NoAnswer as error:
        return str(error)
    return ""


def ask(address: str, token: str, path: str, *, timeout: float = 5.0) -> Any:  # noqa: ANN401 - JSON
    """The JSON that a GET of ``path`` (such as "/api/kernels") answers.

    ``address`` is "unix:/path/of/socket" or "http://host:port". Raises NoAnswer.
    """
    try:
        status, body = _get(address, token, f"{path}?no_track_activity=1", timeout)
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise NoAnswer(f"The notebook server does not answer yet: {reason}.") from error
    if status != http.client.OK:
        raise NoAnswer(f"The notebook server answered {status} where 200 was expected.")
    try:
        return json.loads(body)
    except ValueError as error:
        raise NoAnswer("The notebook server answered something that is not JSON.") from error


def _get(address: str, token: str, path: str, timeout: float) -> tuple[int, bytes]:
    connection = _connection(address, timeout)
    try:
        connection.request("GET", path, headers={"Authorization": f"token {token}"})
        answer = connection.getresponse()
        return answer.status, answer.read(ANSWER_BYTES_AT_MOST)
    finally:
        connection.close()


def _connection(address: str, timeout: float) -> http.client.HTTPConnection:
    if address.startswith("unix:"):
        return _UnixConnection(address.removeprefix("unix:"), timeout)
    where = urlsplit(address)
    if where.scheme != "http" or not where.hostname:
        raise NoAnswer("The notebook server has no address yet.")
    return http.client.HTTPConnection(where.hostname, where.port, timeout=timeout)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        with UnixPath(self._path) as short:
            self.sock.connect(short.path)
