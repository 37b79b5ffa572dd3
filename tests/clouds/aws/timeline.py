"""What happens later by itself: a phase ends, a terminated instance is forgotten."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)
Step = Callable[[], None]


class Timeline:
    """Runs steps when they are due, under ``lock``, the lock that every call of the server holds.

    A call runs what is due before it looks, so that a phase never ends late for a reader; the
    thread is for what must happen while nobody calls (a node boots).
    """

    def __init__(self, lock: threading.RLock) -> None:
        self._changed = threading.Condition(lock)
        self._due: list[tuple[float, int, Step]] = []
        self._order = itertools.count()
        threading.Thread(target=self._run, name="timeline", daemon=True).start()

    def after(self, seconds: float, step: Step) -> None:
        """Run it at once when ``seconds`` is 0."""
        if seconds <= 0:
            step()
            return
        with self._changed:
            heapq.heappush(self._due, (time.monotonic() + seconds, next(self._order), step))
            self._changed.notify()

    def run_due(self) -> None:
        with self._changed:
            while self._due and self._due[0][0] <= time.monotonic():
                step = heapq.heappop(self._due)[2]
                try:
                    step()
                except Exception:
                    # The simulated account must not stand still because one step had a bug.
                    logger.exception("a step of the timeline failed")

    def clear(self) -> None:
        with self._changed:
            self._due.clear()

    def _run(self) -> None:
        with self._changed:
            while True:
                self.run_due()
                wait = self._due[0][0] - time.monotonic() if self._due else None
                self._changed.wait(wait)
