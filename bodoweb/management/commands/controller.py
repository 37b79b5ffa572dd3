from __future__ import annotations

import contextlib
import logging
import signal
import time

from django.core.management.base import BaseCommand
from django.db import DatabaseError, InterfaceError, connections
from django.utils import timezone

from bodoweb.lifetime import end_with_manager
from workspaces.operations.controller import Controller

logger = logging.getLogger("bodoweb.controller")

PAUSES = (1.0, 2.0, 5.0)


class Command(BaseCommand):
    help = "Hand due steps to the workers until SIGTERM or Ctrl-C. Holds no state, ends at once."
    requires_system_checks: list[str] = []

    def handle(self, **_options: object) -> None:
        end_with_manager()
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with contextlib.suppress(KeyboardInterrupt):
            self._loop()

    def _loop(self) -> None:
        controller, failures = Controller(), 0
        while True:
            rest = self._tick(controller, failures)
            if rest is None:
                rest = PAUSES[min(failures, len(PAUSES) - 1)]
                failures += 1
            else:
                failures = 0
            time.sleep(rest)

    def _tick(self, controller: Controller, failures: int) -> float | None:
        """How long to rest; None when the tick failed, which is logged once until one succeeds."""
        try:
            return controller.tick(timezone.now())
        except (DatabaseError, InterfaceError) as error:
            if not failures:
                logger.warning("the database does not answer, trying again: %s", error)
            connections.close_all()
        except Exception:
            if not failures:
                logger.exception("a tick failed, trying again")
        return None
