"""WebSockets between a browser and Jupyter: messages, subprotocols and close codes both ways.

Pings are answered on each side; a message waits until the other side has taken the one before.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

import aiohttp

from workspaces.notebooks.access import Refusal, Visit
from workspaces.notebooks.calls import Call
from workspaces.notebooks.exchange import no_answer, upstream_url
from workspaces.notebooks.headers import to_jupyter
from workspaces.notebooks.upstream import Lines

logger = logging.getLogger(__name__)

MESSAGE_BYTES = 64 * 1024 * 1024  # of one message; uvicorn is started with the same limit
HEARTBEAT_SECONDS = 30  # over a network, where a server may vanish without a word
CLOSE_SECONDS = 5
REASON_BYTES = 123  # what fits into a close frame
GOING_AWAY, RIGHT_LOST, SERVER_GONE = 1001, 1008, 1011

# What an endpoint may send; the others only stand for "there was no close frame".
SENDABLE = {*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)}


class SocketPair:
    """``run`` returns when either side has closed or the right is lost."""

    def __init__(self, call: Call, visit: Visit, lines: Lines) -> None:
        self._call, self._visit, self._lines = call, visit, lines

    async def run(self, lost: asyncio.Future[Refusal]) -> None:
        await self._call.receive()  # websocket.connect
        try:
            async with self._lines.to(self._visit.notebook.address) as line:
                socket = await line.session.ws_connect(
                    upstream_url(line, self._call),
                    headers=to_jupyter(self._call, self._visit.token),
                    protocols=self._call.scope["subprotocols"],
                    max_msg_size=MESSAGE_BYTES + 1,  # aiohttp refuses that very size
                    heartbeat=None if line.is_local else HEARTBEAT_SECONDS,
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_SECONDS),
                )
                async with socket:
                    await self._call.send(
                        {"type": "websocket.accept", "subprotocol": socket.protocol}
                    )
                    await self._pipe(socket, lost)
        except aiohttp.WSServerHandshakeError as error:
            await self._call.answer(error.status, "The notebook server refused the connection.\n")
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            notebook = self._visit.notebook.uuid
            logger.warning("notebook %s does not answer: %s", notebook, type(error).__name__)
            with contextlib.suppress(OSError):
                await self._call.refuse(no_answer(self._visit))

    async def _pipe(
        self, socket: aiohttp.ClientWebSocketResponse, lost: asyncio.Future[Refusal]
    ) -> None:
        up = asyncio.create_task(self._browser_to_jupyter(socket))
        down = asyncio.create_task(self._jupyter_to_browser(socket))
        try:
            ends: set[asyncio.Future[Any]] = {up, down, lost}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if lost.done():
                await self._close_browser(RIGHT_LOST, lost.result().sentence)
                await socket.close(code=GOING_AWAY)
            elif up.done() and up.exception():
                await self._close_browser(SERVER_GONE, "The notebook server does not answer.")
        finally:
            for task in (up, down):
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)

    async def _browser_to_jupyter(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            message = await self._call.receive()
            if message["type"] == "websocket.disconnect":
                code, reason = message.get("code", 0), message.get("reason") or ""
                code = code if code in SENDABLE else GOING_AWAY
                await socket.close(code=code, message=_short(reason))
                return
            data = message.get("bytes")
            if data is not None:
                await socket.send_bytes(data)
            else:
                await socket.send_str(message["text"])

    async def _jupyter_to_browser(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        send = self._call.send
        while True:
            message = await socket.receive()
            if message.type is aiohttp.WSMsgType.TEXT:
                await send({"type": "websocket.send", "text": message.data})
            elif message.type is aiohttp.WSMsgType.BINARY:
                await send({"type": "websocket.send", "bytes": message.data})
            elif message.type is aiohttp.WSMsgType.CLOSE:
                await self._close_browser(message.data, message.extra or "")
                return
            else:
                code = socket.close_code or SERVER_GONE
                await self._close_browser(code, "The notebook server closed the connection.")
                return

    async def _close_browser(self, code: int, reason: str) -> None:
        code = code if code in SENDABLE else SERVER_GONE
        close = {"type": "websocket.close", "code": code, "reason": _short(reason).decode()}
        # uvicorn tells a connection that is gone already by exceptions of its own, OSErrors.
        with contextlib.suppress(OSError, RuntimeError):
            await self._call.send(close)


def _short(reason: str) -> bytes:
    return reason.encode()[:REASON_BYTES].decode(errors="ignore").encode()
