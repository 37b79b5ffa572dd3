"""Script that a notebook shows runs on the notebook's origin. What it tries there against the
platform, with the person signed in to both, reads nothing and changes nothing (K20).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, expect

from tests.e2e.conftest import DESKTOP
from tests.stack import Stack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

ENVIRONMENT = {"BODO_NOTEBOOK_ON_ENTRY": "true"}

LAB_SECONDS = 300
FETCH = """async ([url, options]) => {
  try {
    const answer = await fetch(url, options);
    return [answer.type, answer.status, (await answer.text()).length];
  } catch (error) {
    return [error.name, 0, 0];
  }
}"""
FRAME = """url => new Promise((resolve) => {
  const frame = document.createElement('iframe');
  frame.onload = () => {
    let seen = '';
    try {
      seen = frame.contentWindow.document.body.innerText;
    } catch (error) {
      seen = error.name;
    }
    resolve(seen);
  };
  frame.src = url;
  document.body.append(frame);
})"""
WINDOW = """url => new Promise((resolve) => {
  const other = window.open(url);
  const look = () => {
    try {
      const seen = other.document.body.innerText;
      seen ? resolve(seen) : setTimeout(look, 100);
    } catch (error) {
      other.close();
      resolve(error.name);
    }
  };
  look();
})"""
FORM = """([url, fields]) => {
  const form = document.createElement('form');
  form.method = 'post';
  form.action = url;
  form.target = '_blank';
  for (const [name, value] of Object.entries(fields)) {
    const input = document.createElement('input');
    input.name = name;
    input.value = value;
    form.append(input);
  }
  document.body.append(form);
  form.submit();
}"""


@pytest.fixture(scope="module")
def shared(browser: Browser) -> Iterator[BrowserContext]:
    """One browser: what the platform gave it is there when the notebook's script runs."""
    made = browser.new_context(viewport=DESKTOP, reduced_motion="reduce")  # type: ignore[arg-type]
    made.set_default_timeout(30_000)
    yield made
    made.close()


@pytest.fixture(scope="module")
def demo(stack: Stack) -> dict[str, str]:
    return stack.demo()


@pytest.fixture(scope="module")
def platform(shared: BrowserContext, stack: Stack, demo: dict[str, str]) -> Page:
    page = shared.new_page()
    page.goto(stack.url)
    page.get_by_label("E-mail address").fill(demo["email"])
    page.get_by_label("Password", exact=True).fill(demo["password"])
    page.get_by_role("button", name="SIGN IN").click()
    expect(page.get_by_text(re.compile("Hello "))).to_be_visible()
    return page


@pytest.fixture(scope="module")
def notebook(platform: Page, shared: BrowserContext, stack: Stack, demo: dict[str, str]) -> Page:
    """Lab in a tab of its own, opened as people open it."""
    platform.goto(f"{stack.url}/w/{demo['workspace']}/")
    button = platform.get_by_role("button", name=re.compile("OPEN NOTEBOOK")).first
    expect(button).to_be_enabled(timeout=LAB_SECONDS * 1000)
    platform.get_by_label(re.compile("More ways to open")).first.click()
    with shared.expect_page() as opened:
        platform.get_by_role("button", name="Open in a new tab").first.click()
    page = opened.value
    expect(page.locator(".jp-Launcher")).to_be_visible(timeout=120_000)
    return page


@pytest.fixture(autouse=True)
def untouched(
    platform: Page, shared: BrowserContext, stack: Stack, demo: dict[str, str]
) -> Iterator[None]:
    """Whatever was tried: still signed in, the same cookies, and nothing was made or removed."""
    before = _seen(platform, shared, stack, demo)
    yield
    assert _seen(platform, shared, stack, demo) == before


def _seen(
    platform: Page, shared: BrowserContext, stack: Stack, demo: dict[str, str]
) -> list[object]:
    workspace = f"{stack.url}/w/{demo['workspace']}"
    names = [platform.goto(f"{workspace}/{page}/").status for page in ("clusters", "members")]  # type: ignore[union-attr]
    platform.goto(f"{workspace}/clusters/")
    clusters = platform.locator(".resource").all_inner_texts()
    cookies = [(c["name"], c["value"], c["domain"]) for c in shared.cookies(stack.url)]
    return [names, clusters, sorted(cookies)]


def test_there_is_no_way_back_to_the_window_that_opened_it(notebook: Page) -> None:
    assert notebook.evaluate("window.opener") is None


def test_neither_cookie_is_seen_by_script(notebook: Page) -> None:
    seen = notebook.evaluate("document.cookie")

    assert "bodoweb-notebook" not in seen
    assert "session" not in seen


def test_pages_of_the_platform_are_not_read(
    notebook: Page, stack: Stack, demo: dict[str, str]
) -> None:
    url = f"{stack.url}/w/{demo['workspace']}/members/"

    answer = notebook.evaluate(FETCH, [url, {"credentials": "include"}])

    assert answer == ["TypeError", 0, 0]


@pytest.mark.parametrize("mode", ["cors", "no-cors"])
def test_nothing_is_posted_in_the_persons_name(
    notebook: Page, stack: Stack, demo: dict[str, str], mode: str
) -> None:
    url = f"{stack.url}/w/{demo['workspace']}/clusters/create/"
    options = {
        "method": "POST",
        "mode": mode,
        "credentials": "include",
        "headers": {"Content-Type": "application/x-www-form-urlencoded"},
        "body": "name=Evil&node_count=1",
    }

    kind, _, length = notebook.evaluate(FETCH, [url, options])

    assert kind == ("TypeError" if mode == "cors" else "opaque")
    assert length == 0


def test_sign_out_is_not_posted_either(notebook: Page, stack: Stack) -> None:
    url = f"{stack.url}/accounts/logout/"
    options = {"method": "POST", "mode": "no-cors", "credentials": "include"}

    notebook.evaluate(FETCH, [url, options])


def test_the_platform_lets_itself_not_be_framed(notebook: Page, stack: Stack) -> None:
    seen = notebook.evaluate(FRAME, stack.url)

    assert seen == "SecurityError"
    frames = [frame for frame in notebook.frames if frame != notebook.main_frame]
    assert not any("Hello" in _text(frame) for frame in frames)
    notebook.evaluate("document.querySelectorAll('iframe').forEach((frame) => frame.remove())")


def _text(frame: Any) -> str:
    try:
        text: str = frame.locator("body").inner_text(timeout=2000)
    except Error:
        return ""
    return text


def test_a_window_of_the_platform_is_not_read(notebook: Page, stack: Stack) -> None:
    seen = notebook.evaluate(WINDOW, stack.url)

    assert seen in ("SecurityError", "TypeError")


@pytest.mark.parametrize("path", ["clusters/create/", "members/invite/"])
def test_a_form_sent_from_there_is_refused(
    notebook: Page, shared: BrowserContext, stack: Stack, demo: dict[str, str], path: str
) -> None:
    url = f"{stack.url}/w/{demo['workspace']}/{path}"
    fields = {"name": "Evil", "email": "evil@example.org", "role": "ADMIN", "node_count": "1"}

    with shared.expect_page() as opened:
        notebook.evaluate(FORM, [url, fields])
    opened.value.wait_for_load_state()

    expect(opened.value.get_by_text("403", exact=True)).to_be_visible()
    expect(opened.value.get_by_role("heading", name="This form is out of date")).to_be_visible()
    opened.value.close()


@pytest.mark.parametrize("name", ["sessionid", "csrftoken"])
@pytest.mark.parametrize("scope", ["domain=localhost; ", "domain=.localhost; ", ""])
def test_cookies_are_not_tossed_to_the_platform(
    notebook: Page, platform: Page, stack: Stack, name: str, scope: str
) -> None:
    notebook.evaluate(f"document.cookie = '{name}=tossed; {scope}path=/'")

    platform.goto(stack.url)

    expect(platform.get_by_text(re.compile("Hello "))).to_be_visible()
    sent = platform.context.cookies(stack.url)
    assert "tossed" not in [cookie["value"] for cookie in sent]
    notebook.evaluate(f"document.cookie = '{name}=; {scope}path=/; max-age=0'")
