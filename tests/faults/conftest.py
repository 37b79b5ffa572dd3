"""One real stack for all fault tests: each fault leaves it well, and that is checked after each."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from pytest_django.plugin import DjangoDbBlocker

from tests.faults import invariants
from tests.faults.person import Person
from tests.faults.scene import SCRIPT, SOURCE, Recovery, Scene, connect, disconnect
from tests.git_server import GitServer
from tests.stack import Stack
from tests.waiting import wait_until

REPOSITORY = Path(__file__).resolve().parent.parent.parent
SEED = os.environ.get("BODO_FAULT_SEED") or "2026"
RECOVERIES = pytest.StashKey[list[Recovery]]()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Downloads of uv are kept between runs; the runtime is built afresh from them."""
    environment = {
        "BODO_UV_CACHE": str(REPOSITORY / "var" / "test-downloads"),
        "BODO_LOCAL_OVERCOMMIT": "4",
    }
    with Stack(tmp_path_factory.mktemp("faults"), environment) as running:
        yield running


@pytest.fixture(scope="session")
def person(stack: Stack) -> Person:
    demo = stack.demo()
    someone = Person(demo["url"], demo["workspace"])
    someone.sign_in(demo["email"], demo["password"])
    return someone


@pytest.fixture(scope="session")
def _runtime(stack: Stack, person: Person) -> None:
    """Bodo is installed by the first cluster, so that no test's time holds that."""
    form = person.cluster_form("First")
    assert person.submit("clusters", form).is_accepted
    runtimes = stack.data_dir / "local" / "runtimes"
    wait_until(lambda: list(runtimes.glob("*/runtime.json")), timeout=300, every=0.1)
    assert person.press("clusters", UUID(form["uuid"]), "remove").is_accepted


@pytest.fixture(scope="session")
def source() -> Iterator[str]:
    with GitServer() as git:
        git.commit("examples", {SCRIPT: SOURCE})
        yield git.url("examples")


@pytest.fixture
def scene(
    request: pytest.FixtureRequest,
    stack: Stack,
    person: Person,
    _runtime: None,
    source: str,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[Scene]:
    """The invariants are asked for when the test has passed."""
    dice = random.Random(f"{SEED} {request.node.name}")
    with django_db_blocker.unblock():
        connect(stack)
        played = Scene(stack, person, source, dice)
        try:
            yield played
            if not request.node.stash.get(FAILED, False):
                invariants.check(played)
        finally:
            disconnect()
            request.config.stash.setdefault(RECOVERIES, []).extend(played.recoveries)


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.when == "call":
        item.stash[FAILED] = report.failed


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    found = config.stash.get(RECOVERIES, [])
    if found:
        terminalreporter.section(f"recoveries, BODO_FAULT_SEED={SEED}")
    for recovery in found:
        terminalreporter.line(
            f"{recovery.victim:<14} during {recovery.during:<8} {recovery.seconds:6.1f} s"
        )
