"""What a browser sends to Jupyter, piece by piece and never more than the limit (F183, F184).

A refusal is 413 with a text, which Lab shows as "Invalid response: 413"; with JSON it would not.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus

from django.conf import settings

from workspaces.notebooks.access import Refusal
from workspaces.notebooks.calls import Call

MIB = 1024 * 1024


class TooLarge(Exception):  # noqa: N818 - reads as a state
    pass


class BrowserGone(Exception):  # noqa: N818 - reads as a state
    pass


def too_large() -> Refusal:
    return Refusal(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"Request Entity Too Large: {settings.UPLOAD_MIB} MiB is the most that can be saved at"
        " once. Edit > Clear All Outputs makes a notebook smaller.",
    )


class Upload:
    """The body of a call. ``failure`` says why it could not be passed on whole."""

    def __init__(self, call: Call, limit: int) -> None:
        self._call, self.limit = call, limit
        self._read = asyncio.Event()
        self.failure: TooLarge | BrowserGone | None = None

    @property
    def declared(self) -> int | None:
        """By Content-Length, in bytes."""
        text = self._call.value(b"content-length")
        return int(text) if text.isascii() and text.isdigit() else None

    @property
    def is_expected(self) -> bool:
        return bool(self.declared) or bool(self._call.value(b"transfer-encoding"))

    @property
    def is_declared_too_large(self) -> bool:
        return (self.declared or 0) > self.limit

    async def chunks(self) -> AsyncIterator[bytes]:
        """Raises TooLarge or BrowserGone, and keeps it in ``failure``."""
        size, has_more = 0, True
        while has_more:
            message = await self._call.receive()
            if message["type"] == "http.disconnect":
                self._fail(BrowserGone())
            chunk, has_more = message.get("body", b""), message.get("more_body", False)
            size += len(chunk)
            if size > self.limit:
                self._fail(TooLarge())
            if chunk:
                yield chunk
        self._read.set()

    async def browser_gone(self) -> None:
        """Returns when the browser does not wait for the answer any more."""
        if self.is_expected:
            await self._read.wait()
        while (await self._call.receive())["type"] != "http.disconnect":
            pass

    async def whole(self) -> bytes:
        return b"".join([chunk async for chunk in self.chunks()])

    def _fail(self, failure: TooLarge | BrowserGone) -> None:
        self.failure = failure
        raise failure
