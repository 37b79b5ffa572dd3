"""Every page of the URLconf by axe-core, on desktop and phone, light and dark; and with keys alone.

A page that is new is looked at before anybody thinks of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from playwright.sync_api import Page, expect

from tests.e2e.conftest import DESKTOP, PHONE, REPOSITORY, SCREENSHOTS
from tests.faults.person import Person
from tests.stack import Stack
from tests.waiting import wait_until

# All pages in all their looks take minutes: make soak. The keys are tried in each run.
pytestmark = [pytest.mark.timeout(1800)]

AXE = (REPOSITORY / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
LOOK = """async () => (await axe.run(document, {resultTypes: ["violations"]})).violations.map(
    found => `${found.id}: ${found.nodes.map(node => node.target.join(" ")).slice(0, 3).join("; ")}`
)"""
FOCUS = """() => {
    const at = document.activeElement, box = at.getBoundingClientRect();
    const style = getComputedStyle(at);
    const name = at.getAttribute("aria-label") || at.labels?.[0]?.innerText || at.innerText || "";
    return {
        tag: at.tagName, name: name.trim().split("\\n")[0],
        isRinged: style.outlineStyle !== "none" || style.boxShadow !== "none",
        isVisible: box.width > 0 && box.height > 0, top: box.top + scrollY,
        isInside: document.querySelector("main")?.contains(at) ?? false,
    };
}"""
SCRIPT = b'print("hello", flush=True)\n'
NOT_OURS = ("admin/", "static/", "accounts/logout/")
OPEN_PAGES = ("/accounts/login/", "/accounts/password/reset/", "/accounts/confirm-email/again/")


def _routes(patterns: list[URLPattern | URLResolver], prefix: str = "") -> Iterator[str]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _routes(pattern.url_patterns, route)
        elif not route.startswith(NOT_OURS) and "(?P" not in route:
            yield route.removeprefix("^").replace("\\Z", "").removesuffix("$")


@pytest.fixture(scope="module")
def values(stack: Stack) -> dict[str, str]:
    """A workspace with something on each page; the uuids of its rows by the names in URLs."""
    demo = stack.demo()
    person = Person(demo["url"], demo["workspace"])
    person.sign_in(demo["email"], demo["password"])
    person.make_folder("sums")
    assert person.upload("", {"a.py": SCRIPT, "b.csv": b"1,2\n"}).is_accepted
    cluster = person.cluster_form("Alpha")
    assert person.submit("clusters", cluster).is_accepted
    job = person.job_form("Hello", "", "a.py", None)
    job |= {"source_kind": "WORKSPACE", "source_folder": "", "node_count": "1"}
    assert person.submit("jobs", job).is_accepted
    notebook = person.notebook_form("Lab")
    assert person.submit("notebooks", notebook).is_accepted
    assert person.invite("grace@example.org", "VIEWER").is_accepted
    path = f"/w/{demo['workspace']}/jobs/{job['uuid']}/log/"
    ended = lambda: "End of the log" in person.get_at_last(path).text  # noqa: E731 - one question
    wait_until(ended, timeout=600, every=0.5)
    row = f"/w/{demo['workspace']}/notebooks/{notebook['uuid']}/row/"
    ready = lambda: "FINISHED" in person.get_at_last(row).text  # noqa: E731 - one question
    wait_until(ready, timeout=600, every=0.5)
    page = person.get_at_last(f"/w/{demo['workspace']}/members/").text
    organization = re.search(r"/o/([0-9a-f-]{36})/", page)
    assert organization
    clouds = person.get_at_last(f"/o/{organization[1]}/cloud-configurations/").text
    configuration = re.search(r"/cloud-configurations/([0-9a-f-]{36})/", clouds)
    assert configuration
    return {
        **demo,
        "organization": organization[1],
        "cluster": cluster["uuid"],
        "job": job["uuid"],
        "notebook": notebook["uuid"],
        "configuration": configuration[1],
    }


def _sign_in(page: Page, values: dict[str, str]) -> None:
    page.goto(f"{values['url']}/accounts/login/")
    page.get_by_label("E-mail address").fill(values["email"])
    page.get_by_label("Password", exact=True).fill(values["password"])
    page.get_by_role("button", name="SIGN IN").click()
    expect(page.get_by_text(re.compile("Hello "))).to_be_visible()


def _pages(page: Page, values: dict[str, str]) -> list[str]:
    """Whatever answers GET with a whole page."""
    found = []
    for route in _routes(get_resolver().url_patterns):
        path = "/" + re.sub(
            r"<(?:\w+:)?(\w+)>", lambda name: values.get(name[1], "<unknown>"), route
        )
        if "<" in path:
            continue
        answer = page.context.request.get(values["url"] + path, max_redirects=0)
        kind = answer.headers.get("content-type", "")
        if answer.status == 200 and kind.startswith("text/html") and "<html" in answer.text():
            found.append(path)
    place = f"/w/{values['workspace']}/files"
    return [*found, f"{place}/?path=sums", f"{place}/move/?path=a.py", "/no/such/page/"]


def _findings(page: Page, path: str) -> list[str]:
    found = []
    name = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "one", path).strip("/").replace("/", "-") or "home"
    for size, viewport in (("desktop", DESKTOP), ("phone", PHONE)):
        page.set_viewport_size(viewport)  # type: ignore[arg-type]
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            page.evaluate(AXE)
            found += [f"{name} {size} {scheme}: {line}" for line in page.evaluate(LOOK)]
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                found.append(f"{name} {size} {scheme}: scrolls sideways")
            shot = Path(SCREENSHOTS) / f"all-{name.replace('?', '-')}-{size}-{scheme}.png"
            page.screenshot(path=shot, full_page=True)
    return found


@pytest.mark.soak
def test_no_page_has_a_finding(page: Page, values: dict[str, str]) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    found: list[str] = []
    for path in OPEN_PAGES:
        page.goto(values["url"] + path)
        found += _findings(page, path)
    _sign_in(page, values)
    pages = _pages(page, values)
    for path in pages:
        page.goto(values["url"] + path)
        found += _findings(page, path)

    assert len(pages) > 25
    assert not found, "\n".join(found)


@pytest.mark.e2e
@pytest.mark.parametrize("noun", ["members", "files", "jobs", "clusters"])
def test_all_of_a_page_is_reached_with_the_tab_key(
    page: Page, values: dict[str, str], noun: str
) -> None:
    """Each stop can be seen, has a name, and lies below the one before it, or beside it."""
    _sign_in(page, values)
    page.goto(f"{values['url']}/w/{values['workspace']}/{noun}/")
    page.wait_for_load_state("networkidle")
    wanted = page.locator(
        "main :is(a[href], button, input:not([type=hidden]), select, textarea, summary):visible"
    ).count()

    stops = _walk(page)

    inside = [stop for stop in stops if stop["isInside"]]
    assert len(inside) >= wanted
    assert [stop for stop in stops if not stop["isRinged"] or not stop["isVisible"]] == []
    assert [stop for stop in inside if not stop["name"]] == []
    tops = [stop["top"] for stop in inside]
    assert all(later > earlier - 90 for earlier, later in pairwise(tops)), tops


@pytest.mark.e2e
def test_menus_and_questions_work_with_keys(page: Page, values: dict[str, str]) -> None:
    """Enter opens, the focus is inside, Escape closes and gives the focus back."""
    _sign_in(page, values)
    page.goto(f"{values['url']}/w/{values['workspace']}/files/")
    delete = page.get_by_role("button", name=re.compile("Delete a.py"))
    question = page.get_by_role("dialog", name="Delete a.py?")

    delete.focus()
    page.keyboard.press("Enter")
    expect(question.get_by_role("button", name="CANCEL")).to_be_focused()
    page.keyboard.press("Tab")
    expect(question.get_by_role("button", name="DELETE")).to_be_focused()
    page.keyboard.press("Escape")
    expect(question).to_be_hidden()
    expect(delete).to_be_focused()

    page.locator(".user-menu summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Organizations")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Organizations")).to_be_visible()


def _walk(page: Page) -> list[dict[str, Any]]:
    """Once around: until the focus leaves the page."""
    stops: list[dict[str, Any]] = []
    while len(stops) < 300:
        page.keyboard.press("Tab")
        stop = page.evaluate(FOCUS)
        if stop["tag"] == "BODY":
            return stops
        stops.append(stop)
    raise AssertionError("the focus never leaves the page")
