"""The real stack, started by the same command as ``make run``, in a data folder of its own.

    with Stack(tmp_path) as stack:
        stack.manage("demo", "--json")
        stack.kill("monitor")

Roles: manager, web, web_worker, notebooks, watchdog, qcluster, sentinel, worker, monitor, pusher,
controller. Ends only processes that it started.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parent.parent
OURS = ("BODO_", "DATABASE_URL", "EMAIL_URL", "DJANGO_SETTINGS_MODULE")
WORKERS = 2


def free_port() -> int:
    """Below those that the kernel gives to connections, and drawn: several runs of tests at once
    hardly ever get the same one before it is used.
    """
    while True:
        port = random.SystemRandom().randrange(10_240, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Stack:
    """``environment`` goes on top of a clean one: nothing of the caller's settings leaks in.

    ``runtimes``: folders of installed runtimes that its Local cloud finds there already.
    """

    def __init__(
        self,
        data_dir: Path,
        environment: Mapping[str, str] | None = None,
        runtimes: Iterable[Path] = (),
    ) -> None:
        self.data_dir = data_dir
        for folder in runtimes:
            links = data_dir / "local" / "runtimes"
            links.mkdir(mode=0o700, parents=True, exist_ok=True)
            (links / folder.name).symlink_to(folder)
        self.port, self.notebook_port = free_port(), free_port()
        self.url = f"http://localhost:{self.port}"
        self.notebook_url = f"http://127.0.0.1:{self.notebook_port}"
        self.log_path = data_dir / "stack.log"
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(OURS)}
        self.environment = {
            **inherited,
            "BODO_DATA_DIR": str(data_dir),
            "BODO_PORT": str(self.port),
            "BODO_NOTEBOOK_PORT": str(self.notebook_port),
            "BODO_WORKERS": str(WORKERS),
            "BODO_NOTEBOOK_ON_ENTRY": "false",  # a JupyterLab is half a minute of installing
            **(environment or {}),
        }
        self.manager: subprocess.Popen[bytes] | None = None
        self.before: list[str] = []  # words before the command that starts it, as of unshare

    def __enter__(self) -> Stack:
        try:
            self.start()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            error.add_note(f"--- log of the stack ---\n{self.log()[-8000:]}")
        self.end()

    # Start and stop ---------------------------------------------------------------------------

    def start(self, *, timeout: float = 60) -> None:
        """Returns when /healthz answers 200 and the workers have proved that they work."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("ab") as log:
            self.manager = subprocess.Popen(
                [*self.before, sys.executable, "manage.py", "up"],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_until(self._is_up, timeout=timeout, every=0.1)

    def _is_up(self) -> bool:
        assert self.manager is not None
        if self.manager.poll() is not None:
            raise AssertionError(f"the stack ended at its start:\n{self.log()}")
        return bool(self.health().get("status") == "ok")

    def stop(self, how: signal.Signals = signal.SIGINT, *, timeout: float = 60) -> int:
        """As Ctrl-C does: clusters and jobs go on. Returns the exit code of the manager."""
        assert self.manager is not None
        if self.manager.poll() is None:
            self.manager.send_signal(how)
        return self.manager.wait(timeout)

    def end(self) -> None:
        """Stop all of it, with clusters and jobs of the Local cloud, as ``make stop`` does."""
        self.manage("down", check=False)
        if self.manager is not None and self.manager.poll() is None:
            self.manager.kill()
            self.manager.wait()

    # Looking ----------------------------------------------------------------------------------

    def manage(self, *arguments: str, check: bool = True) -> str:
        """Run a management command against this stack; answers what it printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        if check and done.returncode:
            raise AssertionError(f"manage.py {arguments} failed:\n{done.stdout}")
        return done.stdout

    def demo(self) -> dict[str, str]:
        """The demo organization: url, email, password, organization, workspace."""
        found: dict[str, str] = json.loads(self.manage("demo", "--json").splitlines()[-1])
        return found

    def is_notebook_origin_up(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.notebook_url}/healthz", timeout=10) as answer:
                return bool(answer.read() == b"ok\n")
        except OSError:
            return False

    def health(self) -> dict[str, Any]:
        """What /healthz says; empty when nothing answers."""
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=10) as answer:
                report: dict[str, Any] = json.load(answer)
        except urllib.error.HTTPError as error:
            report = json.load(error)
        except (OSError, ValueError):
            return {}
        return report

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    # Processes --------------------------------------------------------------------------------

    def processes(self) -> dict[str, list[psutil.Process]]:
        """Its processes by role; roles that are not there now are missing."""
        assert self.manager is not None
        roles: dict[str, list[psutil.Process]] = {}
        with contextlib.suppress(psutil.NoSuchProcess):
            manager = psutil.Process(self.manager.pid)
            roles["manager"] = [manager]
            for child in manager.children():
                with contextlib.suppress(psutil.NoSuchProcess):
                    roles |= _roles_of(child)
        return roles

    def pids(self) -> dict[str, list[int]]:
        return {role: [p.pid for p in found] for role, found in self.processes().items()}

    def all_processes(self) -> list[psutil.Process]:
        return [process for found in self.processes().values() for process in found]

    def is_complete(self) -> bool:
        found = self.pids()
        has_workers = len(found.get("worker", [])) == WORKERS
        return has_workers and {"pusher", "web", "notebooks", "controller"} <= found.keys()

    def kill(self, role: str, how: signal.Signals = signal.SIGKILL) -> int:
        """Send the signal to the first process of a role; answers its pid."""
        victim = self.processes()[role][0]
        victim.send_signal(how)
        return victim.pid


def _roles_of(program: psutil.Process) -> dict[str, list[psutil.Process]]:
    """``program`` is a child of the manager."""
    words = " ".join(program.cmdline())
    if "gunicorn" in words:
        return {"web": [program], "web_worker": program.children()}
    if "uvicorn" in words:
        return {"notebooks": [program]}
    if words.endswith("manage.py controller"):
        return {"controller": [program]}
    if words.endswith("manage.py worker"):
        return {"watchdog": [program]} | _queue_roles(program)
    return {}


def _queue_roles(watchdog: psutil.Process) -> dict[str, list[psutil.Process]]:
    """The sentinel starts its workers first, then the monitor, then the pusher."""
    roles: dict[str, list[psutil.Process]] = {}
    for qcluster in watchdog.children():
        roles["qcluster"] = [qcluster]
        for sentinel in qcluster.children():
            roles["sentinel"] = [sentinel]
            family = sorted(sentinel.children(), key=lambda child: (child.create_time(), child.pid))
            if len(family) == WORKERS + 2:
                roles["worker"] = family[:WORKERS]
                roles["monitor"], roles["pusher"] = [family[-2]], [family[-1]]
    return roles
