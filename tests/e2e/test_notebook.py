"""A person's JupyterLab in a browser, against the real stack: attach, compute, save, restart.

Lab says that a kernel is idle a moment before it accepts execution, and loses what is asked in that
moment: cells are run again until their output is there.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import SCREENSHOTS, Camera
from tests.stack import Stack
from tests.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

ENVIRONMENT = {"BODO_NOTEBOOK_ON_ENTRY": "true"}

WARNING = (
    "This notebook is not attached to a cluster. "
    "Please attach it to a cluster for parallel execution."
)
RANKS = """\
%%px
import bodo
print("rank", bodo.get_rank(), "of", bodo.get_size(), "with bodo", bodo.__version__)"""
TOO_LARGE = 17 * 1024 * 1024
LAB_SECONDS, CLUSTER_SECONDS = 300, 600


def test_attach_compute_and_find_everything_again(page: Page, stack: Stack, camera: Camera) -> None:
    """F029, F030, F040, F120-F123, F183, F184, V21, V22."""
    workspace = _sign_in(page, stack)
    page.goto(f"{stack.url}/w/{workspace}/")  # the first entry starts My Notebook
    _make_cluster(page, stack, workspace, "Two nodes")
    lab = Lab(_open_notebook(page, stack, workspace, camera))
    lab.new_notebook()
    lab.attach("Two nodes")
    _ranks_answer(lab)
    lab.run("kept = 41", "")
    _restart_all(stack)
    _state_is_kept(lab)
    lab.detach()
    _warned_when_detached(lab)
    _too_large_is_refused(lab, stack, workspace)


def _sign_in(page: Page, stack: Stack) -> str:
    demo = stack.demo()
    page.goto(stack.url)
    page.get_by_label("E-mail address").fill(demo["email"])
    page.get_by_label("Password", exact=True).fill(demo["password"])
    page.get_by_role("button", name="SIGN IN").click()
    expect(page.get_by_text(re.compile("Hello "))).to_be_visible()
    return demo["workspace"]


def _make_cluster(page: Page, stack: Stack, workspace: str, name: str) -> None:
    page.goto(f"{stack.url}/w/{workspace}/clusters/create/")
    page.get_by_label("Cluster name").fill(name)
    page.get_by_label("Instance type").select_option(index=0)
    page.get_by_label("Number of Instances").fill("2")
    page.get_by_role("button", name="CREATE", exact=True).click()
    card = page.locator(".resource").filter(has_text=name)
    expect(card.get_by_text("RUNNING").first).to_be_visible(timeout=CLUSTER_SECONDS * 1000)


def _open_notebook(page: Page, stack: Stack, workspace: str, camera: Camera) -> Page:
    """In the same page, at an address that shows no token and no ticket."""
    page.goto(f"{stack.url}/w/{workspace}/")
    button = page.get_by_role("button", name=re.compile("OPEN NOTEBOOK")).first
    expect(button).to_be_enabled(timeout=LAB_SECONDS * 1000)
    camera("notebook-01-workspace")
    button.click()
    page.wait_for_url(re.compile(r"^http://nb-[0-9a-f-]{36}\.localhost:\d+/lab"), timeout=60_000)
    assert "ticket" not in page.url
    assert "token" not in page.url
    expect(page.locator(".jp-Launcher")).to_be_visible(timeout=120_000)
    lost = page.get_by_role("dialog").filter(has_text="Server Connection Error")
    page.add_locator_handler(lost, lambda: page.keyboard.press("Escape"))
    return page


class Lab:
    """The front-most notebook of an open JupyterLab."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.panel = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")
        self.selector = self.panel.get_by_label("Cluster of this notebook")

    def new_notebook(self) -> None:
        self.page.locator(".jp-LauncherCard").filter(has_text="Python 3").first.click()
        expect(self.selector).to_be_visible(timeout=60_000)
        self.is_idle()

    def is_idle(self) -> None:
        idle = self.panel.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]')
        expect(idle).to_be_visible(timeout=60_000)

    def attach(self, name: str) -> None:
        option = self.selector.locator("option").filter(has_text=name)
        expect(option).to_have_text(re.compile(rf"{name} · Bodo 20\d\d\.\d+ · RUNNING"))
        self.photograph("notebook-02-detached")
        first = self.panel.locator(".jp-NotebookPanel-toolbar > *").first
        expect(first).to_have_class(re.compile("bodoweb-clusters"))
        value = option.get_attribute("value")
        self.selector.select_option(value)
        expect(self.selector).to_have_value(value or "", timeout=60_000)
        expect(self.selector).to_be_enabled(timeout=60_000)
        expect(self.panel.locator(".jp-KernelName")).to_contain_text(name)
        self.is_idle()
        self.photograph("notebook-03-attached")

    def detach(self) -> None:
        self.selector.select_option(label="Detached")
        expect(self.selector).to_be_enabled(timeout=60_000)
        expect(self.selector).to_have_value("")
        expect(self.panel.locator(".jp-KernelName")).to_contain_text("Python 3")
        self.is_idle()

    def run(self, code: str, expected: str | re.Pattern[str]) -> Locator:
        """Run it in the last cell; answers its output once that shows what is expected. An empty
        string expects that it was run."""
        cell = self.panel.locator(".jp-CodeCell").last
        if self._prompt(cell):
            self.add_cell()
        editor = cell.locator(".cm-content")
        editor.click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(code)
        output = cell.locator(".jp-OutputArea")
        wait_until(lambda: self._tried(editor, cell), timeout=180, every=0.5)
        if expected:
            expect(output).to_contain_text(expected, timeout=180_000)
        return output

    def add_cell(self) -> None:
        """Below the last one."""
        cells = self.panel.locator(".jp-CodeCell")
        count = cells.count()
        cells.last.locator(".cm-content").click()
        self.page.keyboard.press("Escape")
        self.page.keyboard.press("b")
        expect(cells).to_have_count(count + 1)

    def photograph(self, name: str) -> None:
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png")

    def _tried(self, editor: Locator, cell: Locator) -> bool:
        """A prompt that neither waits nor is empty: the kernel has answered."""
        if not self._prompt(cell):
            editor.click()
            self.page.keyboard.press("Control+Enter")
        return bool(self._number(cell))

    def _prompt(self, cell: Locator) -> str:
        return cell.locator(".jp-InputPrompt").inner_text().strip("[]: \n")

    def _number(self, cell: Locator) -> int:
        found = self._prompt(cell)
        return int(found) if found.isdigit() else 0


def _ranks_answer(lab: Lab) -> None:
    """F121."""
    output = lab.run(RANKS, re.compile(r"rank 1 of 2 with bodo 20\d\d\.\d+"))

    expect(output).to_contain_text(re.compile(r"rank 0 of 2 with bodo 20\d\d\.\d+"))
    lab.photograph("notebook-04-ranks")


def _restart_all(stack: Stack) -> None:
    """Web, workers, controller and proxy, all of them, while the notebook is open."""
    before = stack.pids()
    stack.stop()
    stack.start()
    wait_until(stack.is_notebook_origin_up, timeout=60, every=0.2)
    after = stack.pids()
    for role in ("manager", "web", "notebooks", "controller", "watchdog"):
        assert before[role] != after[role], role


def _state_is_kept(lab: Lab) -> None:
    """Of the kernel and of the engines; and still attached."""
    lab.run("print('kernel kept', kept + 1)", "kernel kept 42")
    lab.run("%%px\nprint('engine', bodo.get_rank(), 'kept its imports')", "engine 1 kept")
    expect(lab.selector.locator("option:checked")).to_contain_text("Two nodes")
    lab.photograph("notebook-05-after-restart")


def _warned_when_detached(lab: Lab) -> None:
    """F122, F123, V22: exactly that, in red, and nothing is run."""
    output = lab.run("%%px\nprint('is ' + 'run')", WARNING)

    assert output.inner_text().strip() == WARNING
    assert "is run" not in output.inner_text()
    color = output.locator("span").first.evaluate("e => getComputedStyle(e).color")
    red, green, blue = map(int, re.findall(r"\d+", color)[:3])
    assert red > 2 * max(green, blue)
    lab.photograph("notebook-06-detached-warning")


def _too_large_is_refused(lab: Lab, stack: Stack, workspace: str) -> None:
    """F183, F184. An output that Lab keeps and does not draw makes the notebook so large."""
    shared = stack.data_dir / "local" / "workspaces" / workspace / "shared"
    _write_large(shared / "large.ipynb")
    page = lab.page
    page.goto(re.sub(r"/lab.*", "/lab/tree/large.ipynb?reset", page.url))
    expect(lab.selector).to_be_visible(timeout=60_000)
    lab.is_idle()
    lab.add_cell()
    page.keyboard.press("Control+s")
    dialog = page.locator(".jp-Dialog")
    expect(dialog).to_contain_text("File Save Error for large.ipynb", timeout=60_000)
    expect(dialog).to_contain_text("Invalid response: 413 Request Entity Too Large")
    lab.photograph("notebook-07-too-large")
    dialog.get_by_role("button").last.click()


def _write_large(path: Path) -> None:
    output = {
        "output_type": "display_data",
        "metadata": {},
        "data": {"text/plain": "large", "application/x-large": "x" * TOO_LARGE},
    }
    cell = {
        "cell_type": "code",
        "id": "large",
        "execution_count": 1,
        "metadata": {},
        "outputs": [output],
        "source": "",
    }
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    content = {"cells": [cell], "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(content))
