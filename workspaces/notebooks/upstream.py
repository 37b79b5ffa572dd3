"""The lines to Jupyter servers: one aiohttp session per address, closed when nobody uses it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from workspaces.notebooks.unix_path import UnixPath

UNUSED_SECONDS = 30
CONNECT_SECONDS = 5
READ_BYTES = 512 * 1024  # what is read ahead of a slow browser, at most twice that
LINE_BYTES = 64 * 1024
TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)


class Line:
    """``base`` is what a path is put behind to ask this server."""

    def __init__(self, address: str) -> None:
        self._unix: UnixPath | None = None
        connector: aiohttp.BaseConnector
        if address.startswith("unix:"):
            self._unix = UnixPath(address.removeprefix("unix:"))
            self.base = "http://localhost"
            connector = aiohttp.UnixConnector(self._unix.path, limit=0)
        else:
            self.base = address.rstrip("/")
            connector = aiohttp.TCPConnector(limit=0)
        self.is_local = self._unix is not None
        self.session = aiohttp.ClientSession(
            connector=connector,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=TIMEOUT,
            read_bufsize=READ_BYTES,
            max_line_size=LINE_BYTES,
            max_field_size=LINE_BYTES,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        )
        self.users = 0

    async def close(self) -> None:
        await self.session.close()
        if self._unix:
            self._unix.close()


class Lines:
    def __init__(self) -> None:
        self._lines: dict[str, Line] = {}
        self._closing: dict[Line, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def to(self, address: str) -> AsyncIterator[Line]:
        """Raises OSError when the socket's folder is not there."""
        line = self._lines.get(address)
        if line is None:
            line = self._lines[address] = Line(address)
        if closing := self._closing.pop(line, None):
            closing.cancel()
        line.users += 1
        try:
            yield line
        except aiohttp.ClientConnectorError:
            # Its folder may have been made anew since: the next one looks for it again.
            if self._lines.get(address) is line:
                del self._lines[address]
            raise
        finally:
            line.users -= 1
            if not line.users:
                loop = asyncio.get_running_loop()
                self._closing[line] = loop.call_later(UNUSED_SECONDS, self._drop, address, line)

    def _drop(self, address: str, line: Line) -> None:
        del self._closing[line]
        if self._lines.get(address) is line:
            del self._lines[address]
        task = asyncio.create_task(line.close())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        lines = {*self._lines.values(), *self._closing}
        for closing in self._closing.values():
            closing.cancel()
        for line in lines:
            await line.close()
