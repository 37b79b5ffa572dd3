"""A JupyterHub to measure against: SimpleLocalProcessSpawner behind configurable-http-proxy.

It is installed afresh into a folder that goes away, by uv and npm; our own environment gets none of
it. Everything listens on 127.0.0.1.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

import uv

from tests.stack import free_port
from tests.waiting import wait_until
from workspaces.clouds.local.runtimes import LAB_VERSION

VERSION, PROXY_VERSION = "6.1.1", "5.3.0"
LOOK_SECONDS = 0.05
CONFIGURATION = """\
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{hub_port}"
c.JupyterHub.log_level = "WARN"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api_port}"
c.ConfigurableHTTPProxy.command = ["{node}", "{proxy}"]
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = "{homes}/{{username}}"
c.Spawner.cmd = ["{singleuser}", "--allow-root"]
c.Spawner.default_url = "/lab"
c.Spawner.ip = "127.0.0.1"
c.JupyterHub.services = [{{"name": "bench", "api_token": "{token}"}}]
c.JupyterHub.load_roles = [{{
    "name": "bench", "services": ["bench"],
    "scopes": ["admin:users", "admin:servers", "access:servers"],
}}]
"""


class Hub:
    """Runs inside ``with``; ``folder`` is its own."""

    def __init__(self, folder: Path, downloads: Path) -> None:
        self._folder, self._token = folder, secrets.token_hex()
        self._port, self._log = free_port(), folder / "log"
        (folder / "homes").mkdir(parents=True)
        self._install(downloads)
        self._configure()

    def _install(self, downloads: Path) -> None:
        program, python = uv.find_uv_bin(), self._program("python")
        path = f"{os.environ['PATH']}:{Path(sys.executable).parent}"  # npm itself needs node
        environment = {**os.environ, "PATH": path, "UV_CACHE_DIR": str(downloads)}
        pip = [program, "pip", "install", "--quiet", "--compile-bytecode", "--python", python]
        npm = [_found("npm"), "install", "--silent", "--ignore-scripts", "--prefix", "npm"]
        for words in (
            [program, "venv", "--quiet", "--python", sys.executable, "env"],
            [*pip, f"jupyterhub=={VERSION}", f"jupyterlab=={LAB_VERSION}", "ipykernel"],
            [*npm, f"configurable-http-proxy@{PROXY_VERSION}"],
        ):
            subprocess.run(words, check=True, env=environment, cwd=self._folder)

    def _configure(self) -> None:
        text = CONFIGURATION.format(
            port=self._port,
            hub_port=free_port(),
            api_port=free_port(),
            node=_found("node"),
            proxy=self._folder / "npm" / "node_modules" / ".bin" / "configurable-http-proxy",
            homes=self._folder / "homes",
            singleuser=self._program("jupyterhub-singleuser"),
            token=self._token,
        )
        (self._folder / "jupyterhub_config.py").write_text(text)

    def _program(self, name: str) -> str:
        return str(self._folder / "env" / "bin" / name)

    def __enter__(self) -> Hub:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [self._program("jupyterhub")], cwd=self._folder, stdout=log, stderr=log
            )
        try:
            wait_until(self._is_up, timeout=60, every=0.1)
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """It takes its proxy and its servers with it."""
        if error is not None:
            error.add_note(f"--- log of JupyterHub ---\n{self._log.read_text()[-4000:]}")
        self._process.terminate()
        self._process.wait(30)

    def add(self, name: str) -> None:
        """Somebody who has signed in and has no server yet."""
        status, said = self._ask("POST", f"/hub/api/users/{name}")
        assert status == 201, said

    def spawn(self, name: str) -> None:
        """Returns when the person's Lab answers through the proxy."""
        status, said = self._ask("POST", f"/hub/api/users/{name}/server")
        assert status in (201, 202), said
        wait_until(lambda: self._server(name).get("ready"), timeout=60, every=LOOK_SECONDS)
        for path in ("lab", "api/status"):
            status, said = self._ask("GET", f"/user/{name}/{path}")
            assert status == 200, said

    def stop(self, name: str) -> None:
        self._ask("DELETE", f"/hub/api/users/{name}/server")
        wait_until(lambda: not self._server(name), timeout=60, every=0.1)

    def _server(self, name: str) -> dict[str, Any]:
        status, said = self._ask("GET", f"/hub/api/users/{name}?include_stopped_servers")
        assert status == 200, said
        found: dict[str, Any] = json.loads(said)["servers"].get("", {})
        return found if found and not found.get("stopped") else {}

    def _is_up(self) -> bool:
        assert self._process.poll() is None, "JupyterHub ended at its start"
        try:
            return self._ask("GET", "/hub/health")[0] == 200
        except OSError:
            return False

    def _ask(self, method: str, path: str) -> tuple[int, bytes]:
        line = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            line.request(method, path, headers={"Authorization": f"token {self._token}"})
            answer = line.getresponse()
            return answer.status, answer.read()
        finally:
            line.close()


def _found(name: str) -> str:
    """Beside our own Python, where the machine has none."""
    beside = Path(sys.executable).parent
    found = shutil.which(name) or shutil.which(name, path=str(beside))
    assert found, f"There is no {name}: make setup-test brings one."
    return found
