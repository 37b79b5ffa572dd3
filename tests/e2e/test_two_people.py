"""Two people with different roles in two workspaces at once, against the real stack."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import DESKTOP
from tests.git_server import GitServer
from tests.stack import Stack
from tests.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

BOB, PASSWORD = "bob@example.org", "correct horse battery staple"
TICKS = 14
SCRIPT = f"""\
import time
from mpi4py import MPI
for tick in range({TICKS}):
    print("tick", tick, "of rank", MPI.COMM_WORLD.rank, flush=True)
    time.sleep(0.7)
"""


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Callable[[], Page]]:
    """A page in a browser of its own: another person."""
    contexts = []

    def make() -> Page:
        context = browser.new_context(viewport=DESKTOP, reduced_motion="reduce")  # type: ignore[arg-type]
        context.set_default_timeout(20_000)
        contexts.append(context)
        return context.new_page()

    yield make
    for context in contexts:
        context.close()


def test_two_people_in_two_workspaces(stack: Stack, visitor: Callable[[], Page]) -> None:
    """F022, F023, F105, F153, F169, F170, F223."""
    ada, bob = visitor(), visitor()
    with GitServer(username="bob", password="pa55-of-bob") as git:
        git.commit("private", {"ex.py": SCRIPT})
        first = _sign_in_as_owner(ada, stack)
        second = _make_workspace(ada, stack)
        _invite(ada, stack, first, "Member")
        _invite(ada, stack, second, "Viewer")
        _accept_as_newcomer(bob, stack)
        _accept_as_known(bob, stack)
        _views_and_no_more(bob, stack, second)
        cluster = _make_cluster_and_pause(bob, stack, first)
        _follow_a_private_job_over_a_restart(bob, stack, first, git.url("private"))
        _run_at_a_time(bob, stack, first, git.url("private"))
        _see_it_all(ada, stack, first, cluster)


def _sign_in_as_owner(ada: Page, stack: Stack) -> str:
    demo = stack.demo()
    ada.goto(stack.url)
    _sign_in(ada, demo["email"], demo["password"])
    return demo["workspace"]


def _sign_in(page: Page, email: str, password: str) -> None:
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="SIGN IN").click()
    expect(page.get_by_text(re.compile("Hello "))).to_be_visible()


def _make_workspace(ada: Page, stack: Stack) -> str:
    ada.get_by_role("link", name="Workspaces", exact=True).first.click()
    ada.get_by_role("link", name="Create Workspace").first.click()
    ada.get_by_label("Workspace name").fill("Second")
    ada.get_by_role("button", name="Create Workspace").click()
    row = ada.locator(".resource").filter(has_text="Second")
    enter = row.get_by_role("link", name="ENTER")
    expect(enter).to_be_visible(timeout=60_000)
    enter.click()
    ada.wait_for_url("**/clusters/")
    return ada.url.split("/w/")[1].split("/")[0]


def _invite(ada: Page, stack: Stack, workspace: str, role: str) -> None:
    ada.goto(f"{stack.url}/w/{workspace}/members/")
    ada.get_by_role("link", name="Invite User").click()
    ada.get_by_label("E-mail address").fill(BOB)
    ada.get_by_label("Role").select_option(label=role)
    ada.get_by_role("button", name="Invite User").click()
    expect(ada.get_by_text(BOB).first).to_be_visible()


def _open_invitation(bob: Page, stack: Stack, workspace_name: str) -> None:
    bob.goto(f"{stack.url}/mailbox/")
    bob.get_by_role("link", name=re.compile(f"invites you to {workspace_name}")).first.click()
    bob.locator("a[href*='invitation']").first.click()


def _accept_as_newcomer(bob: Page, stack: Stack) -> None:
    workspace_of_demo = re.escape("")  # the demo's own name comes first in the list of mails
    bob.goto(f"{stack.url}/mailbox/")
    bob.get_by_role(
        "link", name=re.compile(f"invites you to (?!Second){workspace_of_demo}")
    ).first.click()
    bob.locator("a[href*='invitation']").first.click()
    bob.get_by_label("First name").fill("Bob")
    bob.get_by_label("Last name").fill("Builder")
    bob.get_by_label("Password", exact=True).fill(PASSWORD)
    bob.get_by_label("Repeat password").fill(PASSWORD)
    bob.get_by_label("I accept").check()
    bob.get_by_role("button", name="SIGN UP AND JOIN").click()
    if bob.get_by_role("button", name="SIGN IN").is_visible():
        _sign_in(bob, BOB, PASSWORD)


def _accept_as_known(bob: Page, stack: Stack) -> None:
    _open_invitation(bob, stack, "Second")
    bob.get_by_role("button", name="ACCEPT").click()
    bob.goto(stack.url)
    expect(bob.get_by_text("Hello Bob")).to_be_visible()


def _views_and_no_more(bob: Page, stack: Stack, workspace: str) -> None:
    bob.goto(f"{stack.url}/w/{workspace}/clusters/")
    expect(bob.get_by_text("No clusters found")).to_be_visible()
    expect(bob.get_by_role("link", name="Create Cluster")).to_have_count(0)
    answer = bob.goto(f"{stack.url}/w/{workspace}/clusters/create/")
    assert answer is not None
    assert answer.status == 403


def _make_cluster_and_pause(bob: Page, stack: Stack, workspace: str) -> str:
    bob.goto(f"{stack.url}/w/{workspace}/clusters/create/")
    bob.get_by_label("Cluster name").fill("Bobs")
    bob.get_by_label("Instance type").select_option(index=0)
    bob.get_by_label("Number of Instances").fill("2")
    bob.get_by_role("button", name="CREATE", exact=True).click()
    row = bob.locator(".resource").filter(has_text="Bobs")
    state = row.locator(".state-word").first
    expect(state).to_have_text("RUNNING", timeout=600_000)
    row.get_by_role("button", name="PAUSE Bobs").click()
    bob.wait_for_url("**/clusters/*-*/")
    here = bob.url
    state = bob.locator(".state-word").first
    expect(state).to_have_text("PAUSED", timeout=60_000)
    bob.goto(here)
    bob.get_by_role("button", name="RESUME").click()
    expect(state).to_have_text("RUNNING", timeout=120_000)
    bob.goto(here)
    bob.get_by_role("button", name="Verify Connection").click()
    expect(bob.get_by_text("All commands succeeded").first).to_be_visible(timeout=60_000)
    return here


def _fill_job(bob: Page, stack: Stack, workspace: str, name: str, url: str) -> None:
    choice = bob.get_by_label("Cluster", exact=True)

    def is_offered() -> bool:
        bob.goto(f"{stack.url}/w/{workspace}/jobs/create/")
        return "Bobs" in choice.inner_text()

    wait_until(is_offered, timeout=20, every=0.5)  # the job before lets go of it in a moment
    bob.get_by_label("Job name").fill(name)
    choice.select_option(label="Bobs")
    bob.get_by_label("Command").fill("ex.py")
    bob.get_by_label("Path").fill(url)
    bob.get_by_text("Show advanced").click()
    bob.get_by_label("Workspace reference").fill("main")
    bob.get_by_label("Workspace username").fill("bob")
    bob.get_by_label("Workspace password").fill("pa55-of-bob")


def _follow_a_private_job_over_a_restart(bob: Page, stack: Stack, workspace: str, url: str) -> None:
    """Every line once and in order, though the web process was killed while it was followed."""
    _fill_job(bob, stack, workspace, "Private", url)
    bob.get_by_role("button", name="CREATE", exact=True).click()
    row = bob.locator(".resource").filter(has_text="Private")
    row.get_by_text("DETAILS", exact=True).click()
    row.get_by_text("SHOW LOGS", exact=True).last.click()
    expect(row.get_by_text("tick 2 of rank 0")).to_be_visible(timeout=60_000)
    stack.kill("web")
    expect(row.get_by_text(f"tick {TICKS - 1} of rank 1")).to_be_visible(timeout=60_000)
    expect(row.get_by_text("End of the log")).to_be_visible(timeout=30_000)
    lines = row.locator(".log-line").all_inner_texts()
    ticks = [
        tuple(map(int, re.findall(r"\d+", line.split("tick")[1])))
        for line in lines
        if "tick" in line
    ]
    for rank in (0, 1):
        assert [tick for tick, of in ticks if of == rank] == list(range(TICKS))
    assert not any("pa55" in line for line in lines)


def _run_at_a_time(bob: Page, stack: Stack, workspace: str, url: str) -> None:
    in_time = datetime.now(UTC) + timedelta(seconds=20)  # to fill in the form
    at = in_time.replace(second=0, microsecond=0) + timedelta(minutes=1)
    _fill_job(bob, stack, workspace, "Later", url)
    bob.get_by_label("At a date and time").check()
    bob.get_by_role("textbox", name="Date and time").fill(at.strftime("%Y-%m-%dT%H:%M"))
    bob.get_by_label("Time zone").select_option("UTC")
    bob.get_by_role("button", name="CREATE", exact=True).click()
    row = bob.locator(".resource").filter(has_text="Later")
    expect(row.get_by_text("NEW", exact=True).first).to_be_visible()
    expect(row.get_by_text("FINISHED").first).to_be_visible(timeout=200_000)
    assert datetime.now(UTC) >= at


def _see_it_all(ada: Page, stack: Stack, workspace: str, cluster: str) -> None:
    ada.goto(cluster)
    expect(ada.get_by_text(BOB).first).to_be_visible()
    ada.goto(f"{stack.url}/w/{workspace}/timeline/")
    expect(ada.get_by_text("Bobs").first).to_be_visible()
    expect(ada.get_by_text("Later").first).to_be_visible()
