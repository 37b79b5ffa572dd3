"""What a data folder needs before a stack can serve from it; quick when nothing has changed."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor


def check_ports() -> None:
    """Raises CommandError when another program has one of them."""
    for variable, port in (
        ("BODO_PORT", settings.PORT),
        ("BODO_NOTEBOOK_PORT", settings.NOTEBOOK_PORT),
    ):
        family = socket.AF_INET6 if ":" in settings.BIND else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((settings.BIND, port))
            except OSError as error:
                raise CommandError(
                    f"Port {port} on {settings.BIND} can not be used: {error.strerror}. "
                    f"Stop the program that has it, or set {variable} to a free port."
                ) from error


def prepare_database() -> None:
    """Raises CommandError when the database does not answer."""
    try:
        if not is_migrated():
            call_command("migrate", verbosity=0, interactive=False)
        call_command("createcachetable", verbosity=0)
    except OperationalError as error:
        first_line = str(error).strip().splitlines()[0]
        raise CommandError(f"The database of DATABASE_URL can not be used: {first_line}") from error


def is_migrated() -> bool:
    executor = MigrationExecutor(connection)
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())


def collect_static() -> None:
    """Hashing and compressing all files takes seconds, so it is done only when one has changed."""
    if not settings.NODE_MODULES.is_dir():
        raise CommandError("The front-end packages are missing: run make setup.")
    stamp = Path(settings.STATIC_ROOT) / ".sources"
    found = _fingerprint()
    if stamp.exists() and stamp.read_text() == found:
        return
    call_command("collectstatic", verbosity=0, interactive=False, clear=True)
    stamp.write_text(found)


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for line in sorted(_sources()):
        digest.update(line.encode())
    return digest.hexdigest()


def _sources() -> Iterator[str]:
    """A line per static file and per thing that decides how files are collected."""
    yield str(settings.STORAGES["staticfiles"])
    lock_file = settings.BASE_DIR / "package-lock.json"
    yield f"{lock_file.read_text()}{settings.STATICFILES_DIRS}{settings.INSTALLED_APPS}"
    own = settings.BASE_DIR / "static"
    for folder, _, names in os.walk(own):
        for name in names:
            path = Path(folder, name)
            stat = path.stat()
            yield f"{path.relative_to(own)} {stat.st_mtime_ns} {stat.st_size}"
