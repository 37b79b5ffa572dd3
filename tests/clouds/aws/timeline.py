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
        self._ahead = 0.0
        threading.Thread(target=self._run, name="timeline", daemon=True).start()

    def now(self) -> float:
        """Seconds of this timeline: those of the machine, and all that it was advanced by."""
        return time.monotonic() + self._ahead

    def advance(self, seconds: float) -> None:
        """Let that much time pass at once."""
        with self._changed:
            self._ahead += seconds
            self.run_due()

    def after(self, seconds: float, step: Step) -> None:
        """Run it at once when ``seconds`` is 0."""
        if seconds <= 0:
            step()
            return
        with self._changed:
            heapq.heappush(self._due, (self.now() + seconds, next(self._order), step))
            self._changed.notify()

    def run_due(self) -> None:
        with self._changed:
            while self._due and self._due[0][0] <= self.now():
                step = heapq.heappop(self._due)[2]
                try:
                    step()
                except Exception:
                    # The simulated account must not stand still because one step had a bug.
                    logger.exception("a step of the timeline failed")

    def clear(self) -> None:
        with self._changed:
            self._due.clear()
            self._ahead = 0

    def _run(self) -> None:
        with self._changed:
            while True:
                self.run_due()
                wait = self._due[0][0] - self.now() if self._due else None
                self._changed.wait(wait)
