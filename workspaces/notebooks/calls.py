"""One ASGI call, a request or the handshake of a WebSocket, with what all parts ask of it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from html import escape
from http import HTTPStatus
from typing import Any

from workspaces.notebooks.access import Refusal
from workspaces.notebooks.addresses import is_https, platform_page

Message = dict[str, Any]  # ASGI's own shape
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
RawHeaders = list[tuple[bytes, bytes]]

# Of every answer: no other origin, above all not the platform, shares a window, a frame, a
# resource or a referrer with a notebook.
PROTECTION: RawHeaders = [
    (b"content-security-policy", b"frame-ancestors 'self'"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"same-origin"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"SAMEORIGIN"),
]
_HSTS = (b"strict-transport-security", b"max-age=31536000")
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>body {{ font: 1.1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 15vh auto;
padding: 0 1rem }}</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>{sentence}</p>
<p><a href="{link}">Go to bodoweb</a></p>
</main>
</body>
</html>
"""


class Call:
    """``path`` is as it was sent, undecoded and without the query."""

    def __init__(self, scope: Message, receive: Receive, send: Send) -> None:
        self.scope, self.receive, self.send = scope, receive, send
        self.is_socket: bool = scope["type"] == "websocket"
        self.method: str = scope.get("method", "GET")
        self.headers: RawHeaders = scope["headers"]
        self.path: str = scope["raw_path"].decode("latin-1")
        self.query: str = scope["query_string"].decode("latin-1")

    def values(self, name: bytes) -> list[str]:
        """Of a header, in the order they came; ``name`` in lower case."""
        return [value.decode("latin-1") for key, value in self.headers if key == name]

    def value(self, name: bytes) -> str:
        """ "" when the header is missing. More than one are joined, and so equal nothing."""
        return ", ".join(self.values(name))

    @property
    def is_navigation(self) -> bool:
        """A person looks at the answer."""
        mode = self.value(b"sec-fetch-mode")
        return mode == "navigate" if mode else "text/html" in self.value(b"accept")

    async def answer(
        self,
        status: int,
        body: str | dict[str, Any],
        *,
        kind: str = "text/plain",
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        is_json = isinstance(body, dict)
        content = json.dumps(body) if isinstance(body, dict) else body
        kind = "application/json" if is_json else f"{kind}; charset=utf-8"
        given = {name for name, _ in headers}
        raw = [
            (b"content-type", kind.encode()),
            (b"cache-control", b"no-store"),
            *(pair for pair in protection() if pair[0] not in given),
            *headers,
        ]
        prefix = "websocket.http" if self.is_socket else "http"
        data = content.encode()
        raw.append((b"content-length", str(len(data)).encode()))
        await self.send({"type": f"{prefix}.response.start", "status": int(status), "headers": raw})
        body_message = {"type": f"{prefix}.response.body", "body": data}
        await self.send(body_message)

    async def refuse(self, refusal: Refusal) -> None:
        """A page for a person; the sentence alone for scripts, whose programs show it."""
        headers = [(b"retry-after", b"5")] if refusal.status == 503 else []
        if self.is_socket or not self.is_navigation:
            await self.answer(refusal.status, f"{refusal.sentence}\n", headers=headers)
            return
        page = _PAGE.format(
            title=escape(HTTPStatus(refusal.status).phrase),
            sentence=escape(refusal.sentence),
            link=escape(platform_page(refusal.workspace)),
        )
        policy = b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
        headers.append((b"content-security-policy", policy))
        await self.answer(refusal.status, page, kind="text/html", headers=headers)

    async def redirect(self, path: str, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        await self.answer(303, "", headers=[(b"location", path.encode()), *headers])


def protection() -> RawHeaders:
    return [*PROTECTION, _HSTS] if is_https() else PROTECTION
