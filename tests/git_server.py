"""A real git server on 127.0.0.1: ``git http-backend`` behind the standard library's HTTP server.

with GitServer() as server:
    commit = server.commit("demo", {"ex.py": "print(1)"})
    server.url("demo")  # http://127.0.0.1:<port>/demo
"""

from __future__ import annotations

import base64
import os
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Ada"), ("EMAIL", "ada@example.org"))
}
ISOLATED = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "HOME": "/nonexistent"}


class GitServer:
    """With ``password`` every repository asks for Basic credentials."""

    def __init__(self, *, username: str = "", password: str = "") -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="git-server-")
        self.root = Path(self._folder.name)
        self.requests: list[str] = []
        self.authorization = ""
        if password:
            token = base64.b64encode(f"{username}:{password}".encode()).decode()
            self.authorization = f"Basic {token}"
        handler = type("Handler", (_Handler,), {"owner": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> GitServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
        self._folder.cleanup()

    @property
    def port(self) -> int:
        return int(self._http.server_address[1])

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{name}"

    def commit(self, name: str, files: Mapping[str, str], *, branch: str = "main") -> str:
        """Add or replace files in a repository that is made when missing; answers the commit."""
        bare = self.root / name
        if not bare.exists():
            self._git("init", "-q", "--bare", f"--initial-branch={branch}", str(bare))
        with tempfile.TemporaryDirectory(prefix="git-work-") as work:
            self._git("clone", "-q", str(bare), work)
            if self._git("-C", work, "branch", "-r", "--list", f"origin/{branch}"):
                self._git("-C", work, "checkout", "-q", branch)
            else:
                self._git("-C", work, "checkout", "-q", "-B", branch)
            for path, text in files.items():
                target = Path(work, path)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text)
            self._git("-C", work, "add", "-A")
            self._git("-C", work, "commit", "-q", "--allow-empty", "-m", "Change")
            self._git("-C", work, "push", "-q", "origin", f"HEAD:{branch}")
            return self._git("-C", work, "rev-parse", "HEAD")

    @staticmethod
    def _git(*words: str) -> str:
        env = {"PATH": os.environ["PATH"], **IDENTITY, **ISOLATED}
        done = subprocess.run(
            ["git", *words],  # noqa: S607
            check=True,
            capture_output=True,
            text=True,
            env=env,
        )
        return done.stdout.strip()


class _Handler(BaseHTTPRequestHandler):
    owner: GitServer

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def _answer(self, body: bytes) -> None:
        self.owner.requests.append(self.path)
        wanted = self.owner.authorization
        if wanted and self.headers.get("Authorization") != wanted:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        done = subprocess.run(
            ["git", "http-backend"],  # noqa: S607
            check=False,
            input=body,
            capture_output=True,
            env=self._cgi_environment(len(body)),
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        self._send(head.decode(), content)

    def _cgi_environment(self, length: int) -> dict[str, str]:
        parts = urlsplit(self.path)
        return {
            "PATH": os.environ["PATH"],
            **ISOLATED,
            "GIT_PROJECT_ROOT": str(self.owner.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": parts.path,
            "QUERY_STRING": parts.query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(length),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_ADDR": "127.0.0.1",
        }

    def _send(self, head: str, content: bytes) -> None:
        headers = dict(line.split(": ", 1) for line in head.splitlines() if ": " in line)
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""
