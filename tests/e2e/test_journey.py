"""A newcomer's whole way, in a browser, against the real stack: nothing in it is replaced."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Camera
from tests.git_server import GitServer
from tests.stack import Stack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

INSTALLS = True

EMAIL, PASSWORD = "ada@example.org", "correct horse battery staple"
SCRIPT = """\
import socket, sys, time
import bodo
rank, size = bodo.get_rank(), bodo.get_size()
print("rank", rank, "of", size, "on", socket.gethostname(), "argument", sys.argv[1], flush=True)
for tick in range(3):
    time.sleep(1)
    print("tick", tick, flush=True)
"""


def test_from_sign_up_to_the_log_of_a_job(page: Page, stack: Stack, camera: Camera) -> None:
    """F003-F008, F024-F028, F095-F103, F112-F116, F142, F143, F154-F164, F173-F178, F218."""
    with GitServer() as git:
        git.commit("examples", {"ex.py": SCRIPT})
        _sign_up(page, stack, camera)
        _activate_and_sign_in(page, stack, camera)
        _link_local_cloud(page, camera)
        _create_workspace(page, camera)
        _create_cluster(page, camera)
        _run_job(page, git.url("examples"), camera)
        _remove_cluster(page, camera)


def _sign_up(page: Page, stack: Stack, camera: Camera) -> None:
    page.goto(stack.url)
    camera("01-sign-in")
    page.get_by_role("link", name="Register your organization").click()
    expect(page.get_by_role("heading", name="Welcome")).to_be_visible()
    camera("02-sign-up")
    page.get_by_label("Organization name").fill("Analytical Engines")
    page.get_by_label("E-mail address").fill(EMAIL)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Repeat password").fill(PASSWORD)
    page.get_by_label("First name").fill("Ada")
    page.get_by_label("Last name").fill("Lovelace")
    page.get_by_label("I accept").check()
    page.get_by_role("button", name="SIGN UP").click()
    expect(page.get_by_text("Thank you for signing up!")).to_be_visible()
    expect(
        page.get_by_text("We have sent an activation link to your e-mail address.")
    ).to_be_visible()
    camera("03-signed-up")


def _activate_and_sign_in(page: Page, stack: Stack, camera: Camera) -> None:
    page.goto(f"{stack.url}/mailbox/")
    camera("04-mailbox")
    page.get_by_role("link", name=re.compile("activ", re.IGNORECASE)).first.click()
    page.locator("a[href*='confirm']").first.click()
    camera("05-activate")
    page.get_by_role("button", name=re.compile("activate", re.IGNORECASE)).click()
    expect(
        page.get_by_text("Your account has been activated. You can sign in now.")
    ).to_be_visible()
    page.get_by_label("E-mail address").fill(EMAIL)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="SIGN IN").click()
    expect(page.get_by_text("Hello Ada")).to_be_visible()
    camera("06-dashboard-empty")


def _link_local_cloud(page: Page, camera: Camera) -> None:
    page.get_by_role("link", name="Cloud Configuration", exact=True).first.click()
    page.get_by_role("link", name="CREATE CLOUD CONFIGURATION").first.click()
    page.get_by_label("Name").fill("This machine")
    camera("07-cloud-form")
    page.get_by_role("button", name="CREATE").click()
    expect(page.get_by_text("This machine").first).to_be_visible()
    camera("08-clouds")


def _create_workspace(page: Page, camera: Camera) -> None:
    page.get_by_role("link", name="Workspaces", exact=True).first.click()
    page.get_by_role("link", name="Create Workspace").first.click()
    page.get_by_label("Workspace name").fill("Research")
    camera("09-workspace-form")
    page.get_by_role("button", name="Create Workspace").click()
    enter = page.get_by_role("link", name="ENTER")
    expect(enter).to_be_visible(timeout=60_000)
    expect(page.get_by_text("READY", exact=True)).to_be_visible()
    camera("10-workspaces")
    page.get_by_role("link", name="DETAILS").click()
    camera("11-workspace")
    page.go_back()
    enter.click()


def _create_cluster(page: Page, camera: Camera) -> None:
    camera("12-clusters-empty")
    page.get_by_role("link", name="Create Cluster").first.click()
    page.get_by_label("Cluster name").fill("Two nodes")
    page.get_by_label("Instance type").select_option(index=0)
    page.get_by_label("Number of Instances").fill("2")
    camera("13-cluster-form")
    page.get_by_role("button", name="CREATE", exact=True).click()
    expect(page.get_by_text("Now creating cluster Two nodes")).to_be_visible()
    camera("14-cluster-inprogress")
    page.get_by_text("DETAILS", exact=True).click()
    card = page.locator(".resource").filter(has_text="Two nodes")
    expect(card.get_by_text("FINISHED").first).to_be_visible(timeout=600_000)
    expect(card.get_by_text("RUNNING").first).to_be_visible()
    expect(card.get_by_text(re.compile(r"127\.\d+\.\d+\.2")).first).to_be_visible()
    camera("15-cluster-details")


def _run_job(page: Page, url: str, camera: Camera) -> None:
    page.get_by_role("link", name="Jobs", exact=True).first.click()
    camera("16-jobs-empty")
    page.get_by_role("link", name="CREATE JOB").first.click()
    page.get_by_label("Job name").fill("Ranks")
    page.get_by_label("Cluster", exact=True).select_option(label="Two nodes")
    page.get_by_label("Command").fill("ex.py 1")
    page.get_by_label("Path").fill(url)
    page.get_by_text("Show advanced").click()
    camera("17-job-form")
    page.get_by_role("button", name="CREATE", exact=True).click()
    page.get_by_text("DETAILS", exact=True).click()
    page.get_by_text("SHOW LOGS", exact=True).last.click()
    expect(page.get_by_text("rank 0 of 2 on")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("rank 1 of 2 on")).to_be_visible()
    expect(page.get_by_text("tick 2").first).to_be_visible()
    card = page.locator(".resource").filter(has_text="Ranks")
    expect(card.get_by_text("FINISHED").first).to_be_visible()
    expect(page.get_by_text("End of the log")).to_be_visible()
    camera("18-job-log")
    lines = [line for line in page.locator(".log-line").all_inner_texts() if "rank" in line]
    hosts = {re.search(r"on (\S+) argument 1", line).group(1) for line in lines}  # type: ignore[union-attr]
    assert len(lines) == 2
    assert len(hosts) in {1, 2}


def _remove_cluster(page: Page, camera: Camera) -> None:
    page.get_by_role("link", name="Back to organization").click()
    page.get_by_role("link", name="Dashboard", exact=True).first.click()
    camera("19-dashboard")
    page.get_by_role("link", name="Two nodes").first.click()
    camera("20-cluster-page")
    page.get_by_role("button", name="REMOVE").first.click()
    camera("21-remove-question")
    page.get_by_role("dialog").get_by_role("button", name="REMOVE").click()
    gone = page.locator(".state-word").get_by_text("TERMINATED")
    expect(gone.or_(page.get_by_text("No clusters found")).first).to_be_visible(timeout=60_000)
    camera("22-cluster-removed")
