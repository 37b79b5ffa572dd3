"""Run a command with DATABASE_URL naming a private PostgreSQL that lives as long as the command.

    python -m tests.postgres pytest -n auto

Debian's package is installed when there is none and this is root. The server belongs to nobody:
PostgreSQL refuses to run as root, and the checkout may lie where others can not read.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.stack import free_port
from tests.waiting import wait_until

DEBIAN = Path("/usr/lib/postgresql")
# It is thrown away afterwards, so nothing has to reach the disk.
QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=100")


def programs() -> Path:
    """The folder with initdb and postgres, installed if need be."""
    if found := _find_programs():
        return found
    apt_get = shutil.which("apt-get")
    if os.geteuid() != 0 or apt_get is None:
        sys.exit("Install PostgreSQL with the package manager of this machine, then try again.")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["install", "-y", "--no-install-recommends", "postgresql"]
    for words in (["update"], install):
        subprocess.run([apt_get, "-qq", *words], check=True, stdout=subprocess.DEVNULL, env=quiet)
    if found := _find_programs():
        return found
    sys.exit("apt-get installed PostgreSQL, but initdb is not where Debian puts it.")


def _find_programs() -> Path | None:
    versions = sorted(DEBIAN.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if versions:
        return versions[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else None


class Postgres:
    """A server with an empty database at ``url``; ``stop`` and ``start`` keep what is in it."""

    def __init__(self, home: Path) -> None:
        self._home, self._programs, self._port = home, programs(), free_port()
        self._owner = _owner_of(home)
        password = secrets.token_urlsafe(16)
        self.url = f"postgres://bodoweb:{password}@127.0.0.1:{self._port}/postgres"
        self._server: subprocess.Popen[bytes] | None = None
        (home / "password").write_text(password)
        users = ["-U", "bodoweb", "--auth=scram-sha-256", f"--pwfile={home / 'password'}"]
        initdb = [str(self._programs / "initdb"), "-D", str(home / "data"), *users]
        subprocess.run(
            [*initdb, "--encoding=UTF8", "--locale=C"],
            check=True,
            cwd=home,
            stdout=subprocess.DEVNULL,
            **self._owner,
        )

    def start(self) -> None:
        settings = [f"port={self._port}", "listen_addresses=127.0.0.1"]
        settings += [f"unix_socket_directories={self._home}", *QUICK]
        options = [word for setting in settings for word in ("-c", setting)]
        with (self._home / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [str(self._programs / "postgres"), "-D", str(self._home / "data"), *options],
                cwd=self._home,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._owner,
            )
        wait_until(self._is_ready, timeout=30, every=0.1)

    def stop(self) -> None:
        """At once, connections and all."""
        if self._server is not None:
            self._server.send_signal(signal.SIGQUIT)
            self._server.wait(30)

    def _is_ready(self) -> bool:
        where = ["-h", "127.0.0.1", "-p", str(self._port)]
        asked = subprocess.run([str(self._programs / "pg_isready"), "-q", *where])
        return asked.returncode == 0


@contextlib.contextmanager
def private_server() -> Iterator[Postgres]:
    with tempfile.TemporaryDirectory(prefix="bodoweb-postgres-") as home:
        server = Postgres(Path(home))
        try:
            server.start()
            yield server
        finally:
            server.stop()


def _owner_of(home: Path) -> dict[str, int]:
    """Keywords that let subprocess act as an ordinary user, who gets ``home``."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid}


def main(command: list[str]) -> int:
    with private_server() as server:
        return subprocess.run(command, env={**os.environ, "DATABASE_URL": server.url}).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
