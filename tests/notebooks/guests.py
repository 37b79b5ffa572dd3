"""A notebook in a running stack whose server is the stand-in of ``tests.notebooks.jupyter``."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.notebooks.browsing import Browser
from tests.notebooks.jupyter import TOKEN
from tests.stack import ROOT, Stack

# Runs inside the stack's own configuration: its database, its keys.
_INVITE = """
import json, sys
from django.contrib.sessions.backends.db import SessionStore
from django.utils import timezone
from accounts.models import User
from workspaces.models import Notebook, Workspace
from workspaces.notebooks.access import ticket_issue
from workspaces.secrets import seal
email, workspace, address, token = {words!r}
user, now = User.objects.get(email=email), timezone.now()
workspace = Workspace.objects.get(uuid=workspace)
notebook = Notebook(
    workspace=workspace, owner=user, name=f"Guest {{now}}", instance_type="local.1core",
    vcpus=1, cores=1, memory_mib=1024, state="RUNNING", address=address, created_at=now,
)
notebook.sealed_token = seal(token, context=notebook.token_context)
notebook.save()
session = SessionStore()
session["guest"] = True
session.save()
ticket = ticket_issue(
    notebook=notebook, user=user, session_key=session.session_key,
    session_hash=user.get_session_auth_hash(), now=now,
)
print(json.dumps({{"uuid": str(notebook.uuid), "ticket": ticket}}))
"""


@dataclass
class Guest:
    """``ticket`` opens the notebook once; ``origin`` is where it lives."""

    uuid: str
    ticket: str

    @property
    def origin(self) -> str:
        return self.ticket.partition("/_bodoweb")[0]

    @property
    def netloc(self) -> str:
        return self.origin.partition("://")[2]

    def enter(self, port: int) -> Browser:
        browser = Browser(port)
        answer = browser.visit(self.ticket)
        assert answer.status == 200, answer.text
        return browser


def invite(stack: Stack, demo: dict[str, str], address: str) -> Guest:
    words = (demo["email"], demo["workspace"], address, TOKEN)
    said = stack.manage("shell", "--no-imports", "-c", _INVITE.format(words=words))
    return Guest(**json.loads(said.splitlines()[-1]))


@contextlib.contextmanager
def unwatched_stack(
    data_dir: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Stack]:
    """The real stack with its controller held still, which would find that no cloud knows of the
    guest and call it FAILED."""
    with Stack(data_dir, environment) as stack:
        stack.kill("controller", signal.SIGSTOP)
        try:
            yield stack
        finally:
            stack.kill("controller", signal.SIGCONT)


@contextlib.contextmanager
def jupyter_process(folder: Path) -> Iterator[tuple[str, str]]:
    """Its addresses: of the unix socket and of TCP."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tests.notebooks.jupyter", str(folder)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield f"unix:{folder / 'socket'}", process.stdout.readline().strip()
        finally:
            process.kill()
