from __future__ import annotations

import http.client
import os
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from bodoweb import preparation, running
from bodoweb.lifetime import MANAGER_PID, end_with_parent

READY_SECONDS = 120


class Command(BaseCommand):
    help = (
        "Prepare the database and static files, then run web, notebook origin, workers and "
        "controller in the foreground until Ctrl-C or SIGTERM. Clusters and jobs go on."
    )

    def handle(self, **_options: object) -> None:
        try:
            lock = running.claim()
        except running.AlreadyRunning as error:
            raise CommandError(f"{error} Stop it with Ctrl-C there, or with make stop.") from error
        preparation.check_ports()
        preparation.prepare_database()
        preparation.collect_static()
        connections.close_all()
        manager = os.getpid()
        if os.fork() == 0:
            end_with_parent(manager)
            _announce()
            os._exit(0)
        running.hand_over(lock)
        os.execve(sys.executable, _supervisord(), _environment(manager))  # noqa: S606 - no shell


def _supervisord() -> list[str]:
    config = settings.BASE_DIR / "bodoweb" / "supervisord.conf"
    command = [sys.executable, "-m", "supervisor.supervisord", "--configuration", str(config)]
    # Said so, it does not warn that it runs as root; a container may have no other user.
    return [*command, "--user", "root"] if os.geteuid() == 0 else command


def _environment(manager: int) -> dict[str, str]:
    """What supervisord.conf takes from the settings."""
    return {
        **os.environ,
        "BODO_BASE_DIR": str(settings.BASE_DIR),
        "BODO_BIND": settings.BIND,
        "BODO_DATA_DIR": str(settings.DATA_DIR),
        "BODO_LOG": _log_target(),
        "BODO_NOTEBOOK_PORT": str(settings.NOTEBOOK_PORT),
        "BODO_PYTHON": sys.executable,
        MANAGER_PID: str(manager),
        "PYTHONUNBUFFERED": "1",
    }


def _log_target() -> str:
    """Standard output where it can be opened by name; a socket, as systemd gives, can not."""
    try:
        os.close(os.open("/dev/stdout", os.O_WRONLY | os.O_APPEND))
    except OSError:
        path = Path(settings.DATA_DIR) / "log" / "bodoweb.log"
        path.parent.mkdir(exist_ok=True)
        return str(path)
    return "/dev/stdout"


def _announce() -> None:
    """Say the address as soon as it answers."""
    deadline = time.monotonic() + READY_SECONDS
    while not _is_ready():
        if time.monotonic() > deadline:
            _say(f"bodoweb does not answer after {READY_SECONDS} s; the lines above say why.")
            return
        time.sleep(0.1)
    on = "clusters, jobs and notebooks go on"
    _say(f"bodoweb runs at {settings.PUBLIC_URL} (Ctrl-C stops it; {on})")
    if settings.HAS_MAILBOX:
        _say(f"E-mails are not sent: they are shown at {settings.PUBLIC_URL}/mailbox/")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _is_ready() -> bool:
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - asked for, not bound to
    host = everywhere.get(settings.BIND, settings.BIND)
    connection = http.client.HTTPConnection(host, settings.PORT, timeout=10)
    try:
        connection.request(
            "GET", "/healthz", headers={"Host": urlsplit(settings.PUBLIC_URL).netloc}
        )
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
