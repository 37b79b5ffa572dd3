"""The notebook origin, for uvicorn: a host of its own, so that notebooks get no session cookie.

It imports no Django. There are no notebooks yet; it answers so, and proves that it is there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from bodoweb.lifetime import end_with_manager

Message = dict[str, Any]  # ASGI's own shape
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


async def application(scope: Message, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await _live(receive, send)
    elif scope["type"] == "http" and scope["path"] == "/healthz":
        await _answer(send, 200, "ok\n")
    elif scope["type"] == "http":
        await _answer(send, 404, "There is no notebook at this address.\n")
    else:
        await send({"type": "websocket.close", "code": 4404})


async def _live(receive: Receive, send: Send) -> None:
    await receive()
    end_with_manager()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def _answer(send: Send, status: int, text: str) -> None:
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"x-content-type-options", b"nosniff"),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})
