"""One real stack for all measurements, and the same work done by hand beside it.

A benchmark prints what it measured and the ratio to the baseline of the same run. It fails when
the work fails, never because it was slow.
"""

from __future__ import annotations

import http.cookiejar
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from uuid import uuid4

import pytest

from tests.e2e.conftest import REPOSITORY
from tests.stack import Stack
from tests.waiting import wait_until

DOWNLOADS = REPOSITORY / "var" / "test-downloads"
HIDDEN = re.compile(r'name="(csrfmiddlewaretoken|uuid)" value="([^"]+)"')


class _Stay(urllib.request.HTTPRedirectHandler):
    """Redirects are answers."""

    def redirect_request(self, *_: object) -> None:
        return None


@dataclass
class Person:
    """Somebody with a browser, without the browser: pages are fetched, forms are posted."""

    stack: Stack
    workspace: str

    def __post_init__(self) -> None:
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._open = urllib.request.build_opener(cookies).open
        self._stay = urllib.request.build_opener(cookies, _Stay).open

    def get(self, path: str) -> str:
        with self._open(f"{self.stack.url}{path}", timeout=30) as answer:
            return answer.read().decode()

    def post(self, path: str, data: Mapping[str, object], page: str | None = None) -> float:
        """Post a form as its page gave it; answers when the click happened."""
        request = self._form(path, data, page)
        clicked = time.time()
        self._open(request, timeout=30).close()
        return clicked

    def leave(self, path: str, page: str) -> str:
        """Post a form that leads to another host; answers the address there."""
        with pytest.raises(urllib.error.HTTPError) as led:
            self._stay(self._form(path, {}, page), timeout=30)
        led.value.close()
        assert led.value.code == 303
        return str(led.value.headers["Location"])

    def _form(
        self, path: str, data: Mapping[str, object], page: str | None
    ) -> urllib.request.Request:
        fields = dict(HIDDEN.findall(page if page is not None else self.get(path)))
        body = urllib.parse.urlencode({**fields, **data}).encode()
        return urllib.request.Request(
            f"{self.stack.url}{path}", body, {"Referer": f"{self.stack.url}{path}"}
        )


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("bench"), {"BODO_UV_CACHE": str(DOWNLOADS)}) as running:
        yield running


@pytest.fixture(scope="session")
def person(stack: Stack) -> Person:
    demo = stack.demo()
    made = Person(stack, demo["workspace"])
    made.post("/accounts/login/", {"login": demo["email"], "password": demo["password"]})
    return made


@pytest.fixture(scope="session")
def make_cluster(person: Person) -> Callable[[str], tuple[str, float]]:
    """Create a cluster of 2 nodes with 1 core; answers its uuid and the seconds to FINISHED."""

    def make(name: str) -> tuple[str, float]:
        path = f"/w/{person.workspace}/clusters/create/"
        page = person.get(path)
        uuid = str(uuid4())
        version = re.search(r'<option value="([\d.]+)"', page)
        assert version, "no Bodo version is offered"
        clicked = person.post(
            path,
            {
                "uuid": uuid,
                "name": name,
                "instance_type": "local.1core",
                "node_count": 2,
                "bodo_version": version.group(1),
            },
            page,
        )
        while True:
            row = person.get(f"/w/{person.workspace}/clusters/{uuid}/row/")
            if "FINISHED" in row:
                return uuid, time.time() - clicked
            assert "FAILED" not in row, row
            time.sleep(0.02)  # the interval of the measurement, not a wait for something else

    return make


@pytest.fixture(scope="session")
def remove_cluster(person: Person) -> Callable[[str], None]:
    """Returns when it is gone, so that its cores are free again."""

    def remove(uuid: str) -> None:
        clusters = f"/w/{person.workspace}/clusters/"
        person.post(f"{clusters}{uuid}/remove/", {}, person.get(clusters))
        row = f"{clusters}{uuid}/row/"
        wait_until(lambda: "TERMINATED" in person.get(row), timeout=60, every=0.1)

    return remove


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    def say(line: str) -> None:
        with capsys.disabled():
            print(f"\n{line}")

    return say
