"""A notebook server as its proxy sees it: HTTP at an address of the Cloud contract."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import aiohttp


def answer(address: str, token: str, path: str = "/api/status") -> int:
    """The status code; 0 while nobody listens."""
    try:
        return request(address, token, "GET", path)[0]
    except (ConnectionError, FileNotFoundError):
        return 0


def request(
    address: str, token: str, method: str, path: str, body: object = None
) -> tuple[int, Any]:
    """(status code, JSON body or None)."""
    connection = connect(address)
    headers = {"Authorization": f"token {token}"} if token else {}
    content = None if body is None else json.dumps(body)
    try:
        connection.request(method, path, body=content, headers=headers)
        response = connection.getresponse()
        data = response.read()
        is_json = "json" in response.headers.get("Content-Type", "")
    finally:
        connection.close()
    return response.status, json.loads(data) if is_json and data else None


def connect(address: str) -> http.client.HTTPConnection:
    kind, _, place = address.partition(":")
    if kind != "unix":
        return http.client.HTTPConnection(place.removeprefix("//"), timeout=30)
    connection = http.client.HTTPConnection("notebook.example", timeout=30)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(30)
    try:
        connection.sock.connect(place)
    except OSError:
        connection.sock.close()
        raise
    return connection


@dataclass(frozen=True)
class LabKernel:
    """A kernel of a server, spoken to as JupyterLab does."""

    address: str
    token: str
    uuid: str

    def run(self, code: str, *, seconds: float = 60) -> str:
        """What the cell printed, errors included, and its value."""
        with ThreadPoolExecutor(1) as thread:  # a browser's loop may run in this one
            return thread.submit(lambda: asyncio.run(self._run_within(code, seconds))).result()

    async def _run_within(self, code: str, seconds: float) -> str:
        return await asyncio.wait_for(self._run(code), seconds)

    async def _run(self, code: str) -> str:
        connector = aiohttp.UnixConnector(self.address.removeprefix("unix:"))
        headers = {"Authorization": f"token {self.token}"}
        place = f"http://notebook.example/api/kernels/{self.uuid}/channels"
        async with (
            aiohttp.ClientSession(connector=connector, headers=headers) as session,
            session.ws_connect(place, max_msg_size=0) as channels,
        ):
            message = execute_request(code)
            await channels.send_json(message)
            return await _output(channels, message["header"]["msg_id"])


def start_kernel(address: str, token: str, name: str) -> LabKernel:
    status, told = request(address, token, "POST", "/api/kernels", {"name": name})
    assert status == 201, told
    return LabKernel(address, token, told["id"])


def execute_request(code: str) -> dict[str, Any]:
    header = {"msg_id": uuid4().hex, "msg_type": "execute_request", "session": uuid4().hex}
    header |= {"username": "tester", "version": "5.4"}
    content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
    rest = {"parent_header": {}, "metadata": {}, "channel": "shell", "buffers": []}
    return {"header": header, "content": content, **rest}


async def _output(channels: aiohttp.ClientWebSocketResponse, request_id: str) -> str:
    found = []
    async for received in channels:
        message = json.loads(received.data)
        if message["parent_header"].get("msg_id") != request_id:
            continue
        content = message["content"]
        if message["msg_type"] == "stream":
            found.append(content["text"])
        elif message["msg_type"] == "error":
            found.append("\n".join(content["traceback"]))
        elif message["msg_type"] in ("execute_result", "display_data"):
            found.append(content["data"].get("text/plain", ""))
        elif message["msg_type"] == "status" and content["execution_state"] == "idle":
            break
    return "".join(found)
