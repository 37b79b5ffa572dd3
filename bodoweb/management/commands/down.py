from __future__ import annotations

import os
import signal
import time

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from bodoweb import running
from workspaces.clouds.local.driver import LocalCloud

STOP_SECONDS = 90


class Command(BaseCommand):
    help = (
        "Stop the stack that runs from this data folder, and end the clusters, jobs and notebook "
        "servers that the Local cloud runs on this machine. The next start shows them as what they "
        "then are."
    )

    def handle(self, **_options: object) -> None:
        pid = running.find()
        if pid is None:
            self.stdout.write("bodoweb does not run from this data folder.")
        else:
            self._stop(pid)
        if "local" in settings.PROVIDERS:
            self._end_local_cloud()

    def _stop(self, pid: int) -> None:
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while running.find() is not None:
            if time.monotonic() > deadline:
                raise CommandError(f"Process {pid} has not stopped after {STOP_SECONDS} s.")
            time.sleep(0.1)
        self.stdout.write("Stopped bodoweb.")

    def _end_local_cloud(self) -> None:
        ended = LocalCloud(settings.CLOUD_SETTINGS["local"]).end_everything()
        if ended:
            told = [f"{count} {noun}{'' if count == 1 else 's'}" for noun, count in ended.items()]
            self.stdout.write(f"Ended {', '.join(sorted(told))} on this machine.")
