"""Debian's nginx with the example configuration of docs/nginx, on 127.0.0.1.

It is installed when there is none and this is root, as PostgreSQL is for its tests.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from tests.stack import ROOT
from tests.waiting import wait_until

EXAMPLE = ROOT / "docs" / "nginx" / "bodoweb.conf"
AROUND = """
daemon off;
worker_processes 1;
pid {home}/nginx.pid;
error_log {home}/error.log warn;
events {{ worker_connections 256; }}
http {{
    access_log {home}/access.log;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    {example}
}}
"""


def program() -> str:
    """Where nginx is, installed if need be."""
    if found := shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin"):
        return found
    apt_get = shutil.which("apt-get")
    if os.geteuid() != 0 or apt_get is None:
        sys.exit("Install nginx with the package manager of this machine, then try again.")
    # In that run level the package starts no server of its own.
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    install = ["install", "-y", "--no-install-recommends", "nginx-light"]
    for words in (["update"], install):
        subprocess.run([apt_get, "-qq", *words], check=True, stdout=subprocess.DEVNULL, env=quiet)
    return program()


class Nginx:
    """The example as it stands, but for names, ports and certificates."""

    def __init__(self, home: Path, *, https: int, http: int, platform: int, notebooks: int) -> None:
        self.home = home
        self.http = http
        self.certificate = home / "all.pem"
        self._make_certificate()
        text = EXAMPLE.read_text()
        changes = {
            "listen 443 ssl": f"listen 127.0.0.1:{https} ssl",
            "listen 80": f"listen 127.0.0.1:{http}",
            "127.0.0.1:8000": f"127.0.0.1:{platform}",
            "127.0.0.1:8001": f"127.0.0.1:{notebooks}",
        }
        for old, new in changes.items():
            assert old in text, old
            text = text.replace(old, new)
        text = re.sub(r"/etc/ssl/bodoweb/\w+\.pem", str(self.certificate), text)
        text = re.sub(r"/etc/ssl/bodoweb/\w+\.key", str(home / "all.key"), text)
        (home / "nginx.conf").write_text(AROUND.format(home=home, example=text))
        self._process: subprocess.Popen[bytes] | None = None

    def _make_certificate(self) -> None:
        names = "subjectAltName=DNS:bodo.example.org,DNS:*.notebooks.example"
        openssl = shutil.which("openssl") or "openssl"
        command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        command += ["-subj", "/CN=bodo.example.org", "-addext", names]
        command += ["-keyout", str(self.home / "all.key"), "-out", str(self.certificate)]
        subprocess.run(command, check=True, capture_output=True)

    def __enter__(self) -> Nginx:
        command = [program(), "-p", str(self.home), "-c", str(self.home / "nginx.conf")]
        self._process = subprocess.Popen(command, start_new_session=True)
        wait_until(self._is_up, timeout=20)
        return self

    def _is_up(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError((self.home / "error.log").read_text())
        return (self.home / "nginx.pid").exists() and (self.home / "nginx.pid").read_text() != ""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(20)
