"""What the job form shows for each source, in a browser with and without JavaScript."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.stack import Stack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

GIT_ALONE = ["Workspace reference", "Workspace username", "Workspace password"]


@pytest.fixture(scope="module")
def demo(stack: Stack) -> dict[str, str]:
    return stack.demo()


def _open_form(page: Page, demo: dict[str, str], source: str) -> None:
    page.goto(f"{demo['url']}/accounts/login/")
    page.locator('[name="login"]').fill(demo["email"])
    page.locator('[name="password"]').fill(demo["password"])
    page.get_by_role("button", name="SIGN IN").click()
    page.goto(f"{demo['url']}/w/{demo['workspace']}/jobs/create/?source_kind={source}")
    page.get_by_text("Show advanced").click()
    expect(page.get_by_label("Timeout", exact=True)).to_be_visible()


def _expect_fields_of(page: Page, source: str) -> None:
    expect(page.get_by_label("Path")).to_be_visible(visible=source == "Git")
    expect(page.get_by_label("Folder")).to_be_visible(visible=source != "Git")
    for label in GIT_ALONE:
        expect(page.get_by_label(label)).to_be_visible(visible=source == "Git")


@pytest.mark.parametrize("has_javascript", [True, False], ids=["JavaScript", "none"])
@pytest.mark.parametrize("first", ["Git", "Workspace files"])
def test_fields_of_git_are_there_for_git_alone(
    browser: Browser, demo: dict[str, str], first: str, has_javascript: bool
) -> None:
    """F168-F170; a form may come with either source chosen, as after EDIT AND RUN."""
    context = browser.new_context(java_script_enabled=has_javascript)
    page = context.new_page()
    second = {"Git": "Workspace files", "Workspace files": "Git"}[first]

    _open_form(page, demo, "GIT" if first == "Git" else "WORKSPACE")

    _expect_fields_of(page, first)
    for source in (second, first, second):
        page.get_by_label(source, exact=True).check()
        _expect_fields_of(page, source)
    context.close()
