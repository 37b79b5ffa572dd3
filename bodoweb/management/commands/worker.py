from __future__ import annotations

from django.core.management.base import BaseCommand

from bodoweb.lifetime import end_with_manager
from bodoweb.watchdog import Watchdog


class Command(BaseCommand):
    help = "Carry out operations, under a watchdog, until SIGTERM or Ctrl-C; running steps end."
    requires_system_checks: list[str] = []

    def handle(self, **_options: object) -> None:
        end_with_manager()
        Watchdog().run()
