"""Windows and frames of platform and notebooks, and of two notebooks, stay strangers (K20).

A real Chromium in which a person is signed in to the platform and inside their notebook. The
notebook's server is a stand-in; what runs in its page is what a notebook could run. What script
can not do to the platform's pages and cookies is in ``test_notebook_origin.py``.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.notebooks.guests import Guest, invite, jupyter_process, unwatched_stack
from tests.stack import Stack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with unwatched_stack(tmp_path_factory.mktemp("isolation")) as running:
        yield running


@pytest.fixture(scope="module")
def demo(stack: Stack) -> dict[str, str]:
    return stack.demo()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with jupyter_process(tmp_path_factory.mktemp("jupyter")) as (address, _):
        yield address


@pytest.fixture
def platform(page: Page, stack: Stack, demo: dict[str, str]) -> Page:
    """Signed in."""
    page.goto(f"{stack.url}/accounts/login/")
    page.get_by_label("E-mail").fill(demo["email"])
    page.get_by_label("Password", exact=True).fill(demo["password"])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/accounts/login/" not in url)
    return page


@pytest.fixture
def guest(stack: Stack, demo: dict[str, str], server: str) -> Guest:
    return invite(stack, demo, server)


@pytest.fixture
def notebook(platform: Page, context: BrowserContext, guest: Guest) -> Page:
    """Opened in another tab of the same browser."""
    tab = context.new_page()
    tab.goto(guest.ticket)
    assert tab.url == f"{guest.origin}/lab"
    return tab


def test_neither_window_reaches_the_other(
    notebook: Page, platform: Page, context: BrowserContext, stack: Stack, guest: Guest
) -> None:
    reach = """(address) => {
        const other = window.open(address);
        return new Promise((resolve) => setTimeout(() => {
            let read = "nothing";
            try { read = other.document.title; } catch (error) { read = error.name; }
            resolve([other.closed, read]);
        }, 1500));
    }"""

    with context.expect_page() as opened:
        from_notebook = notebook.evaluate(reach, f"{stack.url}/")
    assert opened.value.evaluate("window.opener") is None
    with context.expect_page() as opened:
        from_platform = platform.evaluate(reach, f"{guest.origin}/lab")
    assert opened.value.evaluate("window.opener") is None

    # The window it opened has left for a group of its own: to its opener it looks closed.
    assert from_notebook[0] is True
    assert from_platform[0] is True


def test_neither_page_frames_the_other(
    notebook: Page, platform: Page, stack: Stack, guest: Guest
) -> None:
    frame = """(address) => new Promise((resolve) => {
        const frame = document.createElement("iframe");
        frame.onload = () => {
            let inside = "blocked";
            try { inside = frame.contentDocument ? frame.contentDocument.body.innerText : inside; }
            catch (error) { inside = error.name; }
            resolve(inside);
        };
        frame.src = address;
        document.body.append(frame);
        setTimeout(() => resolve("never loaded"), 5000);
    })"""

    assert "bodoweb" not in notebook.evaluate(frame, f"{stack.url}/")
    assert "token" not in platform.evaluate(frame, f"{guest.origin}/lab")
    for tab, other in ((notebook, stack.url), (platform, guest.origin)):
        inner = [frame for frame in tab.frames[1:] if frame.url.startswith(other)]
        assert all("script" not in frame.content() for frame in inner)


def test_another_notebooks_page_reaches_nothing_here(
    notebook: Page, guest: Guest, stack: Stack, demo: dict[str, str], server: str
) -> None:
    other = invite(stack, demo, server)
    notebook.goto(other.ticket)
    attack = """async (target) => {
        const results = [];
        for (const [path, options] of [
            ["/api/status", {credentials: "include"}],
            ["/api/kernels", {method: "POST", mode: "no-cors", credentials: "include"}],
        ]) {
            try { results.push((await fetch(target + path, options)).type); }
            catch (error) { results.push(error.name); }
        }
        results.push(await new Promise((resolve) => {
            const socket = new WebSocket(target.replace("http", "ws") + "/api/kernels/k/channels");
            socket.onopen = () => resolve("open");
            socket.onclose = () => resolve("closed");
        }));
        results.push(await new Promise((resolve) => {
            const script = document.createElement("script");
            script.src = target + "/lab";
            script.onload = () => resolve("loaded");
            script.onerror = () => resolve("refused");
            document.head.append(script);
        }));
        return results;
    }"""

    assert notebook.evaluate(attack, guest.origin) == [
        "TypeError",
        "TypeError",
        "closed",
        "refused",
    ]
