"""Django's database from the event loop: in a few threads, with connections that are closed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from django.db import DatabaseError, InterfaceError, close_old_connections

P = ParamSpec("P")
T = TypeVar("T")

ANSWER_SECONDS = 10  # a database that is away may take minutes to say so


class Unavailable(Exception):  # noqa: N818 - reads as a state
    """The database is busy, restarting or away: try again."""


class Threads:
    """Runs plain functions that use the database, ``count`` at the same time."""

    def __init__(self, count: int, *, seconds: float | None = ANSWER_SECONDS) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="notebooks")
        self._seconds = seconds

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Raises Unavailable; one that is given up goes on in its thread."""
        loop = asyncio.get_running_loop()
        done = loop.run_in_executor(self._pool, _with_connection, partial(work, *args, **kwargs))
        try:
            return await asyncio.wait_for(done, self._seconds)
        except (DatabaseError, InterfaceError, TimeoutError) as error:
            raise Unavailable(type(error).__name__) from error

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


def _with_connection(work: Callable[[], T]) -> T:
    """As Django does around a request: a broken or old connection is not used again."""
    close_old_connections()
    try:
        return work()
    finally:
        close_old_connections()
