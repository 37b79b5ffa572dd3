"""Parts of a notebook server, and what lies between it and its owner's browser, that die."""

from __future__ import annotations

import json
from functools import partial
from uuid import UUID

import pytest
from django.utils import timezone

from tests.clouds.jupyter import execute_request
from tests.faults.scene import Scene
from tests.faults.test_dead_parts import SHIM, kill_part
from tests.notebooks.browsing import Browser
from tests.waiting import wait_until

pytestmark = [pytest.mark.fault, pytest.mark.timeout(600)]

INSTALL_SECONDS = 400  # the first one also installs JupyterLab
NOTICED_SECONDS = 15  # looked at every 5 s
PARTS = {
    "shim": (SHIM, "The process that watched the server was killed."),
    "server": (r"\S+ -m jupyterlab", "The server stopped: JupyterLab ended with exit code"),
}


@pytest.fixture(scope="module")
def made() -> list[UUID]:
    """One notebook for all of them."""
    return []


@pytest.fixture
def notebook(scene: Scene, made: list[UUID]) -> UUID:
    if not made:
        made.append(scene.create_notebook("Meets accidents"))
    scene.expected[made[0]] = "RUNNING"
    scene.wait_for_notebook(made[0], "RUNNING", timeout=INSTALL_SECONDS)
    return made[0]


class Visit:
    """Somebody inside, as a browser is: by the cookie alone, once the ticket was used."""

    def __init__(self, scene: Scene, notebook: UUID) -> None:
        self.browser = Browser(scene.stack.notebook_port)
        address = scene.person.open_notebook(notebook)
        self.origin = address.partition("/_bodoweb/")[0]
        assert b"jupyter-config-data" in self.browser.visit(address).body

    def start_kernel(self) -> str:
        answer = self.browser.fetch(
            f"{self.origin}/api/kernels",
            "POST",
            {"Content-Type": "application/json"},
            json.dumps({"name": "python3"}),
        )
        assert answer.status == 201, answer.body
        uuid: str = json.loads(answer.body)["id"]
        return uuid

    def run(self, kernel: str, code: str) -> str:
        """What the cell printed."""
        printed = ""
        with self.browser.socket(f"{self.origin}/api/kernels/{kernel}/channels") as channels:
            request = execute_request(code)
            channels.send(json.dumps(request))
            while True:
                message = json.loads(channels.recv(timeout=60))
                if message["parent_header"].get("msg_id") != request["header"]["msg_id"]:
                    continue
                if message["msg_type"] == "stream":
                    printed += message["content"]["text"]
                elif message["content"].get("execution_state") == "idle":
                    return printed


def test_session_goes_on_although_the_proxy_dies(scene: Scene, notebook: UUID) -> None:
    visit = Visit(scene, notebook)
    kernel = visit.start_kernel()
    visit.run(kernel, "kept = 41")

    killed_at = timezone.now()
    pid = scene.stack.kill("notebooks")
    wait_until(lambda: pid not in scene.stack.pids().get("notebooks", [pid]), timeout=20)
    wait_until(scene.stack.is_notebook_origin_up, timeout=20)
    scene.note("notebooks", "session", killed_at)

    assert visit.run(kernel, "print(kept + 1)") == "42\n"


@pytest.mark.parametrize("part", PARTS)
def test_server_that_lost_a_part_is_told_with_its_cause_and_starts_again(
    scene: Scene, notebook: UUID, part: str
) -> None:
    command, cause = PARTS[part]
    visit = Visit(scene, notebook)

    killed_at = timezone.now()
    kill_part("BODO_NOTEBOOK", str(notebook), command)
    wait_until(lambda: scene.notebook(notebook).state == "FAILED", timeout=NOTICED_SECONDS)
    scene.note(f"{part} of a notebook", "RUNNING", killed_at)
    reason = scene.notebook(notebook).state_reason
    refused = visit.browser.visit(f"{visit.origin}/lab")
    scene.act_on_notebook(notebook, "start", "RUNNING")

    assert cause in reason
    assert refused.status == 503
    assert visit.run(visit.start_kernel(), "print('here again')") == "here again\n"


@pytest.mark.parametrize("victim", ["busy worker", "whole stack"])
def test_server_pauses_and_resumes_although_one_dies(
    scene: Scene, notebook: UUID, victim: str
) -> None:
    for verb, state in (("pause", "PAUSED"), ("resume", "RUNNING")):
        wait_until(scene.stack.is_complete, timeout=20)
        assert scene.person.press("notebooks", notebook, verb).is_accepted
        scene.expected[notebook] = state
        scene.strike(victim, notebook, verb, partial(scene.wait_for_notebook, notebook, state))


def test_removed_server_leaves_nothing(scene: Scene, notebook: UUID, made: list[UUID]) -> None:
    Visit(scene, notebook)
    made.clear()

    scene.act_on_notebook(notebook, "remove", "TERMINATED")
