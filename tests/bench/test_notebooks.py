"""From asking for a server to a Lab that answers, beside ``jupyter lab`` by hand and JupyterHub."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.bench.conftest import DOWNLOADS, Person
from tests.bench.hub import Hub
from tests.clouds.cases import Case, drive, serve
from tests.clouds.jupyter import answer
from tests.git_server import GitServer
from tests.notebooks.browsing import Browser
from tests.stack import Stack
from tests.waiting import wait_until
from workspaces.clouds.local.driver import LocalCloud
from workspaces.clouds.local.environment import Runtime

ROUNDS = 5
PAGES = ("/lab", "/api/status")

POLL = re.compile(r'hx-trigger="every (\d+)(m?s)"')
OPEN = re.compile(r'action="(/w/[^"]+/open/)"')

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]


@pytest.fixture
def case(tmp_path: Path, lab: Runtime) -> Iterator[Case]:
    state = tmp_path / "state"
    cloud = LocalCloud({"root": state})
    (state / "runtimes" / lab.folder.name).symlink_to(lab.folder)
    with GitServer() as git:
        found = Case(cloud, "2026.10", git)
        yield found
        found.clean_up()


def by_hand(lab: Runtime, folder: Path, pages: tuple[str, ...] = ("/api/status",)) -> float:
    folder.mkdir()
    token, home = uuid4().hex, str(folder)
    words = [lab.program("python"), "-m", "jupyterlab", "--no-browser", "--allow-root"]
    environment = {"HOME": home, "PATH": "/usr/bin:/bin", "JUPYTER_TOKEN": token}
    place = f"/tmp/bodo-bench-{os.getpid()}.sock"  # noqa: S108 - an address must be short
    began = time.monotonic()
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [*words, f"--ServerApp.sock={place}", "--ServerApp.allow_remote_access=True"],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        for page in pages:
            wait_until(lambda page=page: answer(f"unix:{place}", token, page) == 200, timeout=60)
        return time.monotonic() - began
    finally:
        server.terminate()
        server.wait()
        Path(place).unlink(missing_ok=True)


def by_driver(case: Case) -> float:
    spec = case.notebook()
    began = time.monotonic()
    serve(case, spec)
    seconds = time.monotonic() - began
    drive(lambda: case.cloud.remove_notebook(spec, case.ledger), case.seconds)
    return seconds


def test_server_against_jupyter_lab_by_hand(case: Case, lab: Runtime, tmp_path: Path) -> None:
    """Taken in turn, so that both meet the same machine."""
    pairs = [(by_driver(case), by_hand(lab, tmp_path / f"hand{n}")) for n in range(ROUNDS)]

    ours, hand = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"\nnotebook server: {ours:.2f} s, by hand {hand:.2f} s, {ours / hand:.2f} x (goal 1.3)")


def test_enter_workspace_to_usable_lab(
    stack: Stack,
    person: Person,
    tmp_path: Path,
    lab: Runtime,
    report: Callable[[str], None],
) -> None:
    """Through page, queue, provider, probe, ticket and proxy, with the page's own polling; in turn
    with a Lab by hand and one of JupyterHub. Each is a person's first, on an installed JupyterLab.
    """
    with Hub(tmp_path / "hub", DOWNLOADS) as hub:
        _by_platform(stack, person)  # waits for the installation, too
        _by_hub(hub, "first")
        rounds = [
            (
                _by_platform(stack, person),
                by_hand(lab, tmp_path / f"alone{n}", pages=PAGES),
                _by_hub(hub, f"person{n}"),
            )
            for n in range(ROUNDS)
        ]

    ours, hand, hubs = zip(*rounds, strict=True)
    to_hand, to_hub = (statistics.median(ours) / statistics.median(them) for them in (hand, hubs))
    report(
        f"enter workspace to usable Lab: {_spread(ours)}; jupyter lab by hand {_spread(hand)}, "
        f"{to_hand:.2f} x (goal: at most 1.3); JupyterHub {_spread(hubs)}, "
        f"{to_hub:.2f} x (goal: below 1); load {os.getloadavg()[0]:.1f}"
    )


def _spread(seconds: tuple[float, ...]) -> str:
    return f"{statistics.median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})"


def _by_platform(stack: Stack, person: Person) -> float:
    """Looks as often as the page does, so what the page adds is in it."""
    base = f"/w/{person.workspace}/my-notebook/"
    page = person.get(base)
    began = time.monotonic()
    person.post(f"{base}start/", {"asked": "1"}, page)
    card = person.get(f"{base}card/")
    while found := POLL.search(card):
        time.sleep(int(found[1]) / (1000 if found[2] == "ms" else 1))  # part of what is measured
        card = person.get(f"{base}card/")
    ways = OPEN.search(card)
    assert ways, card
    ticket = person.leave(ways[1], card)
    browser = Browser(stack.notebook_port)
    origin = ticket.partition("/_bodoweb")[0]
    assert browser.visit(ticket).status == 200
    assert browser.fetch(f"{origin}/api/status").status == 200
    seconds = time.monotonic() - began
    person.post(ways[1].replace("/open/", "/remove/"), {}, card)
    wait_until(lambda: "You removed it" in person.get(f"{base}card/"), timeout=60, every=0.1)
    return seconds


def _by_hub(hub: Hub, name: str) -> float:
    hub.add(name)
    began = time.monotonic()
    hub.spawn(name)
    seconds = time.monotonic() - began
    hub.stop(name)
    return seconds
