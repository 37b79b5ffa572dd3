"""The real stack and a real browser: Debian's Chromium, or the one that CHROMIUM names."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.stack import Stack

REPOSITORY = Path(__file__).resolve().parent.parent.parent
SCREENSHOTS = Path(os.environ.get("BODO_SCREENSHOTS") or REPOSITORY / "var" / "screenshots")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # They listen there alone; the same port of ::1 may be somebody else's.
    "--host-resolver-rules=MAP localhost 127.0.0.1, MAP *.localhost 127.0.0.1",
]
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}


def _chromium() -> str:
    for name in (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome"):
        if name and (path := shutil.which(name)):
            return path
    raise RuntimeError("No Chromium is installed: run make test, or apt-get install chromium.")


@pytest.fixture(scope="module")
def stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """A module says with ``INSTALLS = True`` that it shows how runtimes are installed, and with
    ``ENVIRONMENT`` which settings it wants. Downloads of uv are kept between runs.
    """
    settings = {"BODO_UV_CACHE": str(REPOSITORY / "var" / "test-downloads")}
    settings |= getattr(request.module, "ENVIRONMENT", {})
    names = () if getattr(request.module, "INSTALLS", False) else ("runtime", "lab")
    known = [request.getfixturevalue(name).folder for name in names]
    with Stack(tmp_path_factory.mktemp("stack"), settings, known) as running:
        yield running


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=_chromium(), args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport=DESKTOP, reduced_motion="reduce")
    made.set_default_timeout(15_000)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


class Camera:
    """Each page as desktop and phone, light and dark, to be looked at."""

    def __init__(self, page: Page) -> None:
        self._page = page
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)

    def __call__(self, name: str) -> None:
        for size, viewport in (("desktop", DESKTOP), ("phone", PHONE)):
            self._page.set_viewport_size(viewport)  # type: ignore[arg-type]
            for scheme in ("light", "dark"):
                self._page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
                path = SCREENSHOTS / f"{name}-{size}-{scheme}.png"
                self._page.screenshot(path=path, full_page=True)
        self._page.set_viewport_size(DESKTOP)  # type: ignore[arg-type]
        self._page.emulate_media(color_scheme="light")


@pytest.fixture
def camera(page: Page) -> Camera:
    return Camera(page)
