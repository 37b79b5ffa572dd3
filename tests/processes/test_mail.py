"""With EMAIL_URL a mail really leaves: a mail server on 127.0.0.1 gets it."""

from __future__ import annotations

import os
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack import OURS, ROOT

SEND = (
    "from django.core.mail import send_mail; "
    "send_mail('Activate', 'Follow the link', None, ['ada@example.org'])"
)


class _Conversation(socketserver.StreamRequestHandler):
    """Just enough of SMTP to take one mail."""

    def handle(self) -> None:
        self._say("220 ready")
        while line := self.rfile.readline().decode().strip():
            verb = line[:4].upper()
            if verb == "DATA":
                self._say("354 go on")
                self.server.mails.append(self._body())  # type: ignore[attr-defined]
                self._say("250 taken")
            elif verb == "QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 fine")

    def _body(self) -> str:
        lines = iter(lambda: self.rfile.readline().decode().rstrip("\r\n"), ".")
        return "\n".join(lines)

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@pytest.fixture
def mail_server() -> Iterator[socketserver.TCPServer]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Conversation) as server:
        server.mails = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_mail_reaches_the_server_that_email_url_names(
    mail_server: socketserver.TCPServer, tmp_path: Path
) -> None:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(OURS)}
    url = f"smtp://127.0.0.1:{mail_server.server_address[1]}"

    subprocess.run(
        [sys.executable, "manage.py", "shell", "-v", "0", "-c", SEND],
        cwd=ROOT,
        env={**inherited, "BODO_DATA_DIR": str(tmp_path), "EMAIL_URL": url},
        check=True,
        timeout=60,
    )

    (mail,) = mail_server.mails  # type: ignore[attr-defined]
    assert "To: ada@example.org" in mail
    assert "Follow the link" in mail
    assert not (tmp_path / "mailbox").exists()
