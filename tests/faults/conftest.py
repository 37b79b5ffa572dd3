"""One real stack for all fault tests: each fault leaves it well, and that is checked after each."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from pytest_django.plugin import DjangoDbBlocker

from tests.faults import invariants
from tests.faults.person import Person
from tests.faults.scene import SCRIPT, SOURCE, Recovery, Scene, connect, disconnect
from tests.git_server import GitServer
from tests.stack import Stack
from workspaces.clouds.local.environment import Runtime

REPOSITORY = Path(__file__).resolve().parent.parent.parent
ENVIRONMENT = {
    "BODO_UV_CACHE": os.environ.get("BODO_UV_CACHE") or str(REPOSITORY / "var" / "test-downloads"),
    "BODO_LOCAL_OVERCOMMIT": "4",
}
SEED = os.environ.get("BODO_FAULT_SEED") or "2026"
RECOVERIES = pytest.StashKey[list[Recovery]]()


@pytest.fixture(scope="session")
def stack(
    tmp_path_factory: pytest.TempPathFactory, runtime: Runtime, lab: Runtime
) -> Iterator[Stack]:
    """On the database of DATABASE_URL, if there is one; no test's time holds an installation."""
    database = {key: os.environ[key] for key in ("DATABASE_URL",) if key in os.environ}
    data_dir = tmp_path_factory.mktemp("faults")
    with Stack(data_dir, ENVIRONMENT | database, [runtime.folder, lab.folder]) as running:
        yield running


@pytest.fixture(scope="session")
def person(stack: Stack) -> Person:
    return signed_in(stack)


def signed_in(stack: Stack) -> Person:
    demo = stack.demo()
    someone = Person(demo["url"], demo["workspace"])
    someone.sign_in(demo["email"], demo["password"])
    return someone


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
    source: str,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[Scene]:
    with django_db_blocker.unblock(), played(request, stack, person, source) as scene:
        yield scene


@contextmanager
def played(
    request: pytest.FixtureRequest, stack: Stack, person: Person, source: str
) -> Iterator[Scene]:
    """The invariants are asked for when the test has passed."""
    connect(stack)
    scene = Scene(stack, person, source, random.Random(f"{SEED} {request.node.name}"))
    try:
        yield scene
        if not request.node.stash.get(FAILED, False):
            invariants.check(scene)
    finally:
        disconnect()
        request.config.stash.setdefault(RECOVERIES, []).extend(scene.recoveries)


@pytest.fixture
def other_stack(
    stack: Stack, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Mapping[str, str]], Stack]:
    """A second one, not started, with settings of its own and the Bodo of the first."""

    def make(environment: Mapping[str, str]) -> Stack:
        data_dir = tmp_path_factory.mktemp("other")
        (data_dir / "local").mkdir()
        (data_dir / "local" / "runtimes").symlink_to(stack.data_dir / "local" / "runtimes")
        return Stack(data_dir, {**ENVIRONMENT, **environment})

    return make


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
