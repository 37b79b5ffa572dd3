"""How gunicorn serves the pages; the names below are gunicorn's own settings."""

from __future__ import annotations

import os
from pathlib import Path

from django.conf import settings

from bodoweb.lifetime import end_with_manager, end_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bodoweb.settings")
end_with_manager()

bind = (
    f"[{settings.BIND}]:{settings.PORT}"
    if ":" in settings.BIND
    else f"{settings.BIND}:{settings.PORT}"
)
worker_class = "gthread"
workers = settings.WEB_PROCESS_COUNT
threads = 8
timeout = 60
graceful_timeout = 10
preload_app = True  # the two share most of their memory
control_socket_disable = True
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - its heartbeat, kept from the disk
loglevel = "warning"


def post_fork(server: object, worker: object) -> None:
    end_with_parent()
