"""Everybody who is inside is looked at again every second, all in one go.

A request is let in by an answer that is at most ``FRESH_SECONDS`` old. What stays open longer, a
WebSocket or a long answer, is cut when its right is gone. While nobody is inside, nothing runs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from uuid import UUID

from django.utils import timezone

from workspaces.notebooks import access
from workspaces.notebooks.access import SIGNED_OUT, Refusal, Visit
from workspaces.notebooks.threads import Threads, Unavailable

logger = logging.getLogger(__name__)

PERIOD_SECONDS = 1.0
FRESH_SECONDS = 1.2
# What is open stays so while the database restarts; after that nobody knows who may stay.
BLIND_SECONDS = 30.0
KNOWN_AT_MOST = 10_000

DATABASE_AWAY = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "The database is busy or restarting. Nothing was lost; try again.",
)

Answers = Mapping[str, Visit | Refusal]


class Watch:
    """``look`` is ``access.look`` for the digests given, now."""

    def __init__(
        self, threads: Threads, look: Callable[[Collection[str]], Answers] | None = None
    ) -> None:
        self._threads = threads
        self._look_up = look or _look_now
        self._known: dict[str, tuple[float, Visit | Refusal]] = {}
        self._asking: dict[str, asyncio.Task[Visit | Refusal]] = {}
        self._inside: dict[str, set[asyncio.Future[Refusal]]] = {}
        self._round: asyncio.Task[None] | None = None
        self._seen_at = 0.0

    async def visit(self, cookie: str, notebook: UUID) -> Visit | Refusal:
        """Who shows this cookie at that notebook's host, or why it opens nothing there."""
        if not cookie:
            return SIGNED_OUT
        digest = access.digest(cookie)
        answered_at, answer = self._known.get(digest, (float("-inf"), SIGNED_OUT))
        if asyncio.get_running_loop().time() - answered_at > FRESH_SECONDS:
            try:
                answer = await asyncio.shield(self._ask(digest))
            except Unavailable:
                return DATABASE_AWAY
        if isinstance(answer, Visit) and answer.notebook.uuid != notebook:
            return SIGNED_OUT
        return answer

    @contextmanager
    def inside(self, cookie: str) -> Iterator[asyncio.Future[Refusal]]:
        """The future is done as soon as the right is lost."""
        digest = access.digest(cookie)
        lost: asyncio.Future[Refusal] = asyncio.get_running_loop().create_future()
        self._inside.setdefault(digest, set()).add(lost)
        if self._round is None or self._round.done():
            self._round = asyncio.create_task(self._go_round())
        try:
            yield lost
        finally:
            lost.cancel()
            self._inside[digest].discard(lost)
            if not self._inside[digest]:
                del self._inside[digest]

    def _ask(self, digest: str) -> asyncio.Task[Visit | Refusal]:
        """Of many requests with one cookie at once, such as those of a page, one asks."""
        if digest not in self._asking:
            task = asyncio.create_task(self._answer(digest))
            task.add_done_callback(lambda _: self._asking.pop(digest, None))
            self._asking[digest] = task
        return self._asking[digest]

    async def _answer(self, digest: str) -> Visit | Refusal:
        return (await self._look([digest]))[digest]

    async def _look(self, digests: Collection[str]) -> Answers:
        """The time is that of the question: a right may end while it is being answered."""
        asked_at = asyncio.get_running_loop().time()
        answers = await self._threads.run(self._look_up, digests)
        if len(self._known) > KNOWN_AT_MOST:
            self._known.clear()
        self._known.update((digest, (asked_at, answer)) for digest, answer in answers.items())
        return answers

    async def _go_round(self) -> None:
        loop = asyncio.get_running_loop()
        self._seen_at = loop.time()
        while True:
            await asyncio.sleep(PERIOD_SECONDS)
            if not self._inside:
                self._known.clear()
                self._round = None
                return
            try:
                answers = await self._look(list(self._inside))
            except Unavailable as error:
                logger.warning("nobody could be looked at: %s", error)
                if loop.time() - self._seen_at > BLIND_SECONDS:
                    self._cut(dict.fromkeys(self._inside, DATABASE_AWAY))
                continue
            except Exception:
                logger.exception("nobody could be looked at")
                self._cut(dict.fromkeys(self._inside, DATABASE_AWAY))
                continue
            self._seen_at = loop.time()
            self._cut(answers)

    def _cut(self, answers: Answers) -> None:
        for digest, answer in answers.items():
            if isinstance(answer, Refusal):
                for lost in list(self._inside.get(digest, ())):
                    if not lost.done():
                        logger.info("an open connection is cut: %s", answer.sentence)
                        lost.set_result(answer)


def _look_now(digests: Collection[str]) -> Answers:
    return access.look(digests, now=timezone.now())
