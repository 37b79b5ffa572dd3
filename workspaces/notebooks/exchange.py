"""One request to Jupyter and its answer, both passed on piece by piece as fast as the slower
side takes them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any

import aiohttp
from django.conf import settings
from yarl import URL

from workspaces.notebooks.access import Refusal, Visit
from workspaces.notebooks.calls import Call
from workspaces.notebooks.headers import to_browser, to_jupyter
from workspaces.notebooks.masking import Mask
from workspaces.notebooks.pieces import PIECE_BYTES, PREFIX, Pieces, is_piece
from workspaces.notebooks.uploads import MIB, BrowserGone, TooLarge, Upload, too_large
from workspaces.notebooks.upstream import Line, Lines

logger = logging.getLogger(__name__)

BODILESS = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


def no_answer(visit: Visit) -> Refusal:
    return Refusal(
        HTTPStatus.BAD_GATEWAY,
        "The notebook server does not answer. Restart it on the platform's page, where its state"
        " is shown.",
        visit.notebook.workspace.uuid,
    )


def upstream_url(line: Line, call: Call) -> URL:
    """Path and query go on as they came."""
    query = f"?{call.query}" if call.query else ""
    return URL(f"{line.base}{call.path}{query}", encoded=True)


class Exchange:
    """``run`` returns when the answer is complete, the right lost, or the browser gone."""

    def __init__(self, call: Call, visit: Visit, lines: Lines, pieces: Pieces) -> None:
        self._call, self._visit, self._lines, self._pieces = call, visit, lines, pieces
        self._upload = Upload(call, settings.UPLOAD_MIB * MIB)
        self._is_started = False

    async def run(self, lost: asyncio.Future[Refusal]) -> None:
        if self._upload.is_declared_too_large:
            await self._call.refuse(too_large())
            return
        work = asyncio.create_task(self._carry())
        gone = asyncio.create_task(self._upload.browser_gone())
        try:
            ends: set[asyncio.Future[Any]] = {work, gone, lost}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
                return
            work.cancel()
            await asyncio.wait({work})
            if lost.done() and not self._is_started:
                await self._call.refuse(lost.result())
        finally:
            for task in (work, gone):
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await gone

    async def _carry(self) -> None:
        try:
            async with self._lines.to(self._visit.notebook.address) as line:
                await self._ask(line)
        except BrowserGone:
            return
        except (aiohttp.ClientError, OSError, TimeoutError, TooLarge) as error:
            await self._fail(error)

    async def _ask(self, line: Line) -> None:
        call, token = self._call, self._visit.token
        body = await self._body(line)
        request = line.session.request(
            call.method,
            upstream_url(line, call),
            headers=to_jupyter(call, token),
            data=body,
            allow_redirects=False,
        )
        async with request as response:
            headers = to_browser(response.raw_headers, token)
            is_page = response.content_type == "text/html"
            if is_page and response.headers.get("Content-Encoding", "identity") != "identity":
                raise aiohttp.ClientPayloadError("a page came compressed although it must not")
            if is_page:
                headers = [pair for pair in headers if pair[0] != b"content-length"]
            await self._start(response.status, headers)
            await self._pass_on(response, Mask(token) if is_page else None)

    async def _body(self, line: Line) -> AsyncIterator[bytes] | bytes | None:
        """What goes to Jupyter: a stream, or one piece of a file. Raises TooLarge."""
        upload, call, notebook = self._upload, self._call, self._visit.notebook.uuid
        if not upload.is_expected:
            return None
        may_be_piece = call.method == "PUT" and call.path.startswith(PREFIX)
        if not may_be_piece or (upload.declared or PIECE_BYTES) >= PIECE_BYTES:
            return upload.chunks()
        body = await upload.whole()
        if is_piece(body) and self._pieces.grow(notebook, call.path, body) > upload.limit:
            self._pieces.forget(notebook, call.path)
            await self._remove(line)
            raise TooLarge
        return body

    async def _remove(self, line: Line) -> None:
        """The beginning of a file whose rest was refused."""
        headers = {
            "Authorization": f"token {self._visit.token}",
            "Host": self._call.value(b"host"),
        }
        async with line.session.delete(upstream_url(line, self._call), headers=headers) as answer:
            notebook = self._visit.notebook.uuid
            logger.info("notebook %s: a file too large was removed: %s", notebook, answer.status)

    async def _start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self._is_started = True
        start = {"type": "http.response.start", "status": status, "headers": headers}
        await self._call.send(start)

    async def _pass_on(self, response: aiohttp.ClientResponse, mask: Mask | None) -> None:
        send = self._call.send
        async for chunk in response.content.iter_any():
            body = mask.feed(chunk) if mask else chunk
            if body:
                await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": mask.end() if mask else b""})

    async def _fail(self, error: Exception) -> None:
        """Before the answer began, it is told; after that, the connection is closed."""
        is_large = isinstance(error, TooLarge) or isinstance(self._upload.failure, TooLarge)
        if is_large and not self._is_started:
            await self._call.refuse(too_large())
            return
        notebook = self._visit.notebook.uuid
        logger.warning("notebook %s does not answer: %s", notebook, type(error).__name__)
        if not self._is_started:
            await self._call.refuse(no_answer(self._visit))
