"""The platform in one process, on a clock that a test sets: controller, queue and a worker.

Controller, messages, steps and duties are the real ones; only the clock and the cloud are not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.module_loading import import_string
from django_q.brokers.orm import ORM
from django_q.conf import Conf
from django_q.models import OrmQ
from django_q.signing import SignedPackage

from workspaces.operations.controller import Controller


@dataclass
class Clock:
    """``elapsed`` is true time in seconds; ``now`` is what the machine's clock shows."""

    start: datetime
    elapsed: float = 0.0
    offset: timedelta = timedelta()

    def now(self) -> datetime:
        return self.start + timedelta(seconds=self.elapsed) + self.offset

    def set_by(self, jump: timedelta) -> None:
        self.offset += jump


class Platform:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._controller = Controller()
        self._broker = ORM(list_key=str(Conf.CLUSTER_NAME))
        self._jumps: list[tuple[float, timedelta]] = []
        self._rest = 0.0

    def set_clock(self, *, after: float, jump: timedelta) -> None:
        """The clock will be set when so many more seconds have passed."""
        self._jumps.append((self.clock.elapsed + after, jump))

    def work_until(self, is_done: Callable[[], bool], *, seconds: float) -> float:
        """Answers how many seconds it truly took; fails when that is more than ``seconds``."""
        began = self.clock.elapsed
        while not is_done():
            assert self.clock.elapsed - began < seconds, f"not done in {seconds} s"
            self._tick()
        return self.clock.elapsed - began

    def work_for(self, seconds: float) -> None:
        until = self.clock.elapsed + seconds
        self.work_until(lambda: self.clock.elapsed >= until, seconds=seconds + 1)

    def _tick(self) -> None:
        self.clock.elapsed += self._rest
        for due, jump in [one for one in self._jumps if one[0] <= self.clock.elapsed]:
            self._jumps.remove((due, jump))
            self.clock.set_by(jump)
        self._rest = self._controller.tick(self.clock.now())
        while OrmQ.objects.filter(lock__lt=self.clock.now()).exists():
            for number, payload in self._broker.dequeue() or []:
                task = SignedPackage.loads(payload)
                import_string(task["func"])(*task["args"])
                self._broker.acknowledge(number)
