"""A stand-in for Jupyter: real HTTP and WebSockets, on a unix socket and on TCP, no Lab.

    python -m tests.notebooks.jupyter FOLDER

runs one for as long as its standard input is open; prints its address of TCP.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import sys
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import WSMsgType, web

TOKEN = "b5b1f3a0c0ffee00b5b1f3a0c0ffee00b5b1f3a0c0ffee00"
PIECE = 64 * 1024
T = TypeVar("T")


class Jupyter:
    """Asks for TOKEN as Jupyter does, and remembers what reached it in ``seen``.

    ``open`` counts requests and WebSockets that are going on.
    """

    def __init__(self, folder: Path) -> None:
        self.unix_address = f"unix:{folder / 'socket'}"
        self.tcp_address = ""
        self.seen: list[dict[str, Any]] = []
        self.closed_with: list[tuple[int | None, str]] = []
        self.open = 0
        self.sent_bytes = 0
        self._folder = folder
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._runner: web.AppRunner | None = None

    def start(self) -> None:
        if not self._thread.is_alive():
            self._thread.start()
        self._do(self._start())

    def stop(self) -> None:
        """As if killed: open connections break."""
        self._do(self._stop())

    def close(self) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _start(self) -> None:
        app = web.Application(client_max_size=2**30, middlewares=[self._remember])
        app.router.add_get("/lab", self._lab)
        app.router.add_get("/api/status", self._status)
        app.router.add_get("/api/kernels/{kernel}/channels", self._channels)
        app.router.add_get("/stream", self._stream)
        app.router.add_get("/big/{mib}", self._big)
        app.router.add_get("/odd", self._odd)
        app.router.add_get("/break", self._break)
        app.router.add_route("*", "/{path:.*}", self._echo)
        self._runner = web.AppRunner(
            app, shutdown_timeout=0.1, handler_cancellation=True, keepalive_timeout=60
        )
        await self._runner.setup()
        await web.UnixSite(self._runner, self.unix_address.removeprefix("unix:")).start()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.tcp_address = f"http://127.0.0.1:{self._runner.addresses[-1][1]}"

    async def _stop(self) -> None:
        if self._runner:
            await self._runner.cleanup()
            self._runner = None

    @web.middleware
    async def _remember(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.seen.append(
            {
                "method": request.method,
                "path": request.raw_path,
                "headers": request.headers.copy(),
            }
        )
        # Jupyter takes a token of the query before the one of the header.
        shown = request.query.get("token") or request.headers.get("Authorization", "")[6:]
        if shown != TOKEN:
            return web.Response(status=403, text="Forbidden")
        self.open += 1
        try:
            answer: web.StreamResponse = await handler(request)
            return answer
        finally:
            self.open -= 1

    async def _lab(self, request: web.Request) -> web.StreamResponse:
        """Lab's page, with the token in its configuration, cut in two."""
        answer = web.StreamResponse(headers={"Content-Type": "text/html; charset=utf-8"})
        await answer.prepare(request)
        page = f'<script type="application/json">{{"token": "{TOKEN}", "x": 1}}</script>é'
        middle = page.index(TOKEN) + 20
        await answer.write(page[:middle].encode())
        await asyncio.sleep(0)
        await answer.write(page[middle:].encode())
        return answer

    async def _status(self, request: web.Request) -> web.Response:
        return web.json_response({"kernels": 0})

    async def _odd(self, request: web.Request) -> web.Response:
        """Headers that must not cross the proxy, and some that must."""
        answer = web.Response(status=418, text="odd")
        answer.headers["X-Kept"] = "yes"
        answer.headers["X-Hop"] = "no"
        answer.headers["Keep-Alive"] = "timeout=5"
        answer.headers["Connection"] = "X-Hop"
        answer.headers["Location"] = f"/lab?token={TOKEN}"
        answer.headers["Content-Security-Policy"] = "frame-ancestors 'self'; report-uri /x"
        answer.headers["X-Frame-Options"] = "ALLOWALL"
        for cookie in (
            "_xsrf=2|abc; Path=/",
            "username-nb=signed; HttpOnly; Path=/",
            "sessionid=mine; Path=/",
            "__Host-bodoweb-notebook=mine; Path=/",
            "wide=1; Domain=localhost",
        ):
            answer.headers.add("Set-Cookie", cookie)
        return answer

    async def _break(self, request: web.Request) -> web.StreamResponse:
        """Half an answer, and the connection ends."""
        answer = web.StreamResponse(headers={"Content-Length": "1000"})
        await answer.prepare(request)
        await answer.write(b"half")
        assert request.transport is not None
        request.transport.abort()
        return answer

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        """Never ends by itself; counts what it could send."""
        answer = web.StreamResponse()
        await answer.prepare(request)
        size = int(request.query.get("piece", "10"))
        self.sent_bytes = 0
        while True:
            await answer.write(b"x" * size)
            self.sent_bytes += size
            await asyncio.sleep(0.01 if size < PIECE else 0)

    async def _big(self, request: web.Request) -> web.StreamResponse:
        size = int(request.match_info["mib"]) * 2**20
        answer = web.StreamResponse(headers={"Content-Length": str(size)})
        await answer.prepare(request)
        piece = bytes(4 * PIECE)
        for _ in range(size // len(piece)):
            await answer.write(piece)
        return answer

    async def _channels(self, request: web.Request) -> web.StreamResponse:
        """Echoes; on words it closes, sends much, or tells what it was pinged with."""
        if request.match_info["kernel"] == "missing":
            return web.Response(status=404, text="no such kernel")
        socket = web.WebSocketResponse(protocols=("v1.kernel", "v0"), max_msg_size=0)
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.BINARY:
                await socket.send_bytes(message.data)
            elif message.data.startswith("close "):
                _, code, reason = message.data.split(" ", 2)
                await socket.close(code=int(code), message=reason.encode())
            elif message.data.startswith("send "):
                await socket.send_bytes(bytes(int(message.data[5:])))
            elif message.data.startswith("flood "):
                with contextlib.suppress(ConnectionError):
                    for _ in range(int(message.data[6:])):
                        await socket.send_bytes(bytes(PIECE))
                        self.sent_bytes += PIECE
            elif message.data == "ping me":
                await socket.ping(b"are you there")
                await socket.send_str("pinged")
            elif message.data == "abort":
                assert request.transport is not None
                request.transport.abort()
            else:
                await socket.send_str(message.data)
        self.closed_with.append((socket.close_code, ""))
        return socket

    async def _echo(self, request: web.Request) -> web.Response:
        body, size = hashlib.sha256(), 0
        async for chunk in request.content.iter_any():
            body.update(chunk)
            size += len(chunk)
        seen = self.seen[-1]
        return web.json_response(
            {
                "method": request.method,
                "path": seen["path"],
                "headers": [[name, value] for name, value in request.headers.items()],
                "size": size,
                "sha256": body.hexdigest(),
            }
        )


if __name__ == "__main__":
    server = Jupyter(Path(sys.argv[1]))
    server.start()
    sys.stdout.write(f"{server.tcp_address}\n")
    sys.stdout.flush()
    sys.stdin.read()
