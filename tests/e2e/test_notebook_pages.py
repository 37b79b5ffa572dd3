"""My Notebook from the first entry to its end, on the real stack in a real browser."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Camera
from tests.stack import Stack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

ENVIRONMENT = {"BODO_NOTEBOOK_ON_ENTRY": "true"}
INSTALLS = True  # its first entry shows how JupyterLab is installed

INSTALL_MS = 600_000
SECONDS_TO_NOTICE = 20


def _status(page: Page) -> str:
    return page.locator("#my-notebook .status-badge").inner_text()


def test_notebooks_from_entry_to_removal(stack: Stack, page: Page, camera: Camera) -> None:
    """F030-F033, F037-F040, V12, V13, V20."""
    workspace = _sign_in(stack, page)
    uuid = _first_entry(page, workspace, camera)
    _open(stack, page, workspace, uuid)
    _a_dead_server_starts_again(page, workspace, uuid, camera)
    _create_another(page, workspace, camera)
    _settings(page, workspace, camera)
    _remove_mine(page, workspace)


def _sign_in(stack: Stack, page: Page) -> str:
    demo = stack.demo()
    page.goto(f"{stack.url}/accounts/login/")
    page.get_by_label("E-mail address").fill(demo["email"])
    page.get_by_label("Password", exact=True).fill(demo["password"])
    page.get_by_role("button", name="SIGN IN").click()
    page.get_by_role("link", name="Workspaces", exact=True).first.click()
    address = page.locator('a[href^="/w/"]').first.get_attribute("href")
    assert address is not None
    return stack.url + re.sub(r"(/w/[^/]+/).*", r"\1", address)


def _first_entry(page: Page, workspace: str, camera: Camera) -> str:
    """Nothing is pressed: the page starts it, and shows how far it is (F030)."""
    page.goto(workspace)
    card = page.locator("#my-notebook")
    expect(card.locator("progress")).to_be_visible()
    expect(card.get_by_role("button", name=re.compile("^OPEN NOTEBOOK"))).to_be_disabled()
    camera("nb-01-first-entry")
    expect(card.locator(".status-badge")).to_have_text("FINISHED", timeout=INSTALL_MS)
    expect(card.get_by_role("button", name=re.compile("^OPEN NOTEBOOK"))).to_be_enabled()
    camera("nb-02-ready")

    page.goto(workspace)  # the second time it is simply there
    assert _status(page) == "FINISHED"
    page.goto(f"{workspace}notebooks/")
    found = page.locator(".card.resource").get_attribute("id")
    assert found is not None
    uuid = found.removeprefix("notebook-")
    page.locator(".resource-details summary").click()
    expect(page.get_by_text("READINESSPROBE").or_(page.get_by_text("CREATE")).first).to_be_visible()
    expect(page.locator(f"#details-{uuid} .copy-value", has_text=uuid).first).to_be_visible()
    camera("nb-03-list-details")
    return uuid


def _open(stack: Stack, page: Page, workspace: str, uuid: str) -> None:
    """F040: here and in a new tab. The policy of the page lets a form lead to the other host."""
    refused: list[str] = []
    page.on("console", lambda said: refused.append(said.text) if said.type == "error" else None)
    lab = re.compile(rf"^http://nb-{uuid}\.localhost:{stack.notebook_port}/lab")
    page.goto(f"{workspace}notebooks/")
    page.locator(".split summary").click()
    with page.context.expect_page() as opened:
        page.get_by_role("button", name="Open in a new tab").click()
    tab = opened.value
    tab.wait_for_url(lab)
    expect(tab.get_by_text("Launcher").first).to_be_visible(timeout=60_000)
    assert tab.evaluate("window.opener") is None
    tab.close()

    page.goto(f"{workspace}notebooks/")
    page.locator(".split-main").click()
    page.wait_for_url(lab)
    assert [said for said in refused if "Content Security Policy" in said] == []


def _a_dead_server_starts_again(page: Page, workspace: str, uuid: str, camera: Camera) -> None:
    for process in _servers(uuid):
        process.send_signal(signal.SIGKILL)
    failed = page.locator("#my-notebook .status-badge", has_text="FAILED")
    for _ in range(SECONDS_TO_NOTICE):
        page.goto(workspace)
        if failed.count():
            break
        page.wait_for_timeout(1000)
    expect(failed).to_be_visible()
    camera("nb-04-dead")
    page.locator("#my-notebook").get_by_role("button", name="START AGAIN").click()
    page.goto(workspace)
    expect(page.locator("#my-notebook .status-badge")).to_have_text("FINISHED", timeout=120_000)


def _servers(uuid: str) -> list[psutil.Process]:
    """The JupyterLab of this very notebook, by the mark that its driver gives it."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("BODO_NOTEBOOK") == uuid and "jupyterlab" in " ".join(
                process.cmdline()
            ):
                found.append(process)
        except psutil.Error:
            continue
    assert found
    return found


def _create_another(page: Page, workspace: str, camera: Camera) -> None:
    page.goto(f"{workspace}notebooks/")
    page.get_by_role("link", name="Create Notebook").click()
    page.get_by_role("button", name="CREATE").click()
    expect(page.get_by_text("This field is required.")).to_be_visible()
    camera("nb-05-form-error")
    page.get_by_role("link", name="Cancel").click()
    page.get_by_role("link", name="Create Notebook").click()
    page.get_by_label("Notebook name").fill("benchmarks")
    page.get_by_label("Notebook description").fill("for measuring")
    camera("nb-06-form")
    page.get_by_role("button", name="CREATE").click()
    row = page.locator(".card.resource", has_text="benchmarks")
    expect(row.locator(".status-badge")).to_have_text("FINISHED", timeout=120_000)
    camera("nb-07-list")
    row.get_by_role("button", name="PAUSE benchmarks").click()
    expect(row.locator(".status-badge")).to_have_text("PAUSED", timeout=60_000)


def _settings(page: Page, workspace: str, camera: Camera) -> None:
    page.get_by_role("link", name="Workspace Settings").click()
    row = page.locator(".card.resource", has_text="benchmarks")
    expect(row.locator(".status-badge")).to_have_text("PAUSED")
    camera("nb-08-manager")
    row.get_by_role("button", name="RESUME benchmarks").click()
    expect(
        page.locator(".card.resource", has_text="benchmarks").locator(".status-badge")
    ).to_have_text("FINISHED", timeout=120_000)
    page.goto(f"{workspace}settings/")
    page.get_by_role("link", name="Default Notebook Configuration").click()
    page.get_by_label("Unit of Auto pause").select_option("hours")
    page.get_by_label("Auto pause", exact=True).fill("12")
    page.get_by_role("button", name="SAVE").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    camera("nb-09-defaults")


def _remove_mine(page: Page, workspace: str) -> None:
    """It does not come back by itself."""
    page.goto(f"{workspace}notebooks/")
    row = page.locator(".card.resource", has_text="My Notebook")
    row.get_by_role("button", name=re.compile("^REMOVE: ")).click()
    row.get_by_role("button", name="REMOVE", exact=True).click()
    expect(page.get_by_text("Now removing notebook My Notebook")).to_be_visible()
    page.goto(workspace)
    again = page.get_by_role("button", name="START MY NOTEBOOK")
    for _ in range(60):
        if again.count():
            break
        page.wait_for_timeout(1000)
        page.goto(workspace)
    expect(again).to_be_visible()
    expect(page.get_by_text("You removed it.")).to_be_visible()


def test_the_pages_hold_no_path_of_the_machine(stack: Stack, page: Page, tmp_path: Path) -> None:
    """The server listens on a socket of this machine; people see its address on the web alone."""
    workspace = _sign_in(stack, page)
    for path in ("notebooks/", "settings/"):
        page.goto(f"{workspace}{path}")
        assert "unix:" not in page.content()
        assert str(stack.data_dir) not in page.content()
