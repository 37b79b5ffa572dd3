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


@contextlib.contextmanager
def private_server() -> Iterator[str]:
    """Yields its URL."""
    folder = programs()
    with tempfile.TemporaryDirectory(prefix="bodoweb-postgres-") as name:
        home = Path(name)
        owner = _owner_of(home)
        password, port = secrets.token_urlsafe(16), free_port()
        (home / "password").write_text(password)
        data = str(home / "data")
        initdb = [str(folder / "initdb"), "-D", data, "-U", "bodoweb", "--auth=scram-sha-256"]
        locale = ["--encoding=UTF8", "--locale=C", f"--pwfile={home / 'password'}"]
        subprocess.run([*initdb, *locale], check=True, cwd=home, stdout=subprocess.DEVNULL, **owner)
        settings = [f"port={port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={home}"]
        options = [word for setting in (*settings, *QUICK) for word in ("-c", setting)]
        with (home / "log").open("w") as log:
            server = subprocess.Popen(
                [str(folder / "postgres"), "-D", data, *options],
                cwd=home,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **owner,
            )
        try:
            ready = [str(folder / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
            wait_until(lambda: subprocess.run(ready).returncode == 0, timeout=30, every=0.1)
            yield f"postgres://bodoweb:{password}@127.0.0.1:{port}/postgres"
        finally:
            server.send_signal(signal.SIGQUIT)
            server.wait(30)


def _owner_of(home: Path) -> dict[str, int]:
    """Keywords that let subprocess act as an ordinary user, who gets ``home``."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid}


def main(command: list[str]) -> int:
    with private_server() as url:
        return subprocess.run(command, env={**os.environ, "DATABASE_URL": url}).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
