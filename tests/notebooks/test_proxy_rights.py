"""A right that is lost ends what is open within two or three seconds, each loss by the real act."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Collection
from http.client import IncompleteRead
from typing import Any

import pytest
from django.db import OperationalError
from websockets.exceptions import InvalidStatus

from tests.notebooks import test_access
from tests.notebooks.browsing import Browser, Served, closing_of
from tests.notebooks.conftest import Inside, Person
from tests.notebooks.jupyter import Jupyter
from tests.waiting import wait_until
from workspaces.models import Notebook
from workspaces.notebooks import access, watch
from workspaces.notebooks.addresses import origin_of
from workspaces.notebooks.origin import NotebookOrigin
from workspaces.notebooks.threads import Threads

Enter = Callable[..., Inside]
CHANNELS = "/api/kernels/k/channels"


@pytest.mark.parametrize(
    ("lose", "status"),
    [loss for loss in test_access.LOSSES if loss[1] != 502],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_open_connections_are_cut(
    enter: Enter, jupyter: Jupyter, lose: Callable[[Person, Notebook], None], status: int
) -> None:
    inside = enter()
    with (
        inside.browser.socket(f"{inside.origin}{CHANNELS}") as line,
        inside.browser.stream(f"{inside.origin}/stream") as stream,
    ):
        stream.read(10)
        line.send("open")
        assert line.recv() == "open"

        lose(inside.person, inside.notebook)

        lost_at = time.monotonic()
        code, reason = closing_of(line)
        assert time.monotonic() - lost_at < 3
        assert code == 1008
        assert reason
        with pytest.raises(IncompleteRead):
            stream.read()
        assert time.monotonic() - lost_at < 3

    wait_until(lambda: jupyter.open == 0)
    assert inside.browser.fetch(f"{inside.origin}/api/status").status == status
    with (
        pytest.raises(InvalidStatus) as refused,
        inside.browser.socket(f"{inside.origin}{CHANNELS}"),
    ):
        pass
    assert refused.value.response.status_code == status


def test_who_keeps_the_right_stays(enter: Enter) -> None:
    stays, goes = enter(), enter()
    with (
        stays.browser.socket(f"{stays.origin}{CHANNELS}") as kept,
        goes.browser.socket(f"{goes.origin}{CHANNELS}") as cut,
    ):
        Notebook.objects.filter(pk=goes.notebook.pk).update(state="PAUSING")

        assert closing_of(cut)[0] == 1008
        kept.send("still here")
        assert kept.recv(5) == "still here"


def test_everybody_inside_is_looked_at_in_one_go(
    enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    look = access.look

    def count(digests: Collection[str], **options: Any) -> Any:
        asked.append(len(digests))
        return look(digests, **options)

    one, other = enter(), enter()
    with (
        one.browser.socket(f"{one.origin}{CHANNELS}"),
        other.browser.socket(f"{other.origin}{CHANNELS}"),
    ):
        monkeypatch.setattr(access, "look", count)
        wait_until(lambda: asked.count(2) >= 2)
        requests = len(asked)
        for _ in range(20):
            one.browser.fetch(f"{one.origin}/api/status")

        assert len(asked) - requests <= 3

    def is_quiet() -> bool:
        before = len(asked)
        time.sleep(1.5)  # the loop would have asked at least once
        return len(asked) == before

    wait_until(is_quiet)


def test_a_restarted_proxy_lets_the_same_browser_in(
    threads_may_read: None,
    jupyter: Jupyter,
    person: Callable[..., Person],
    make_notebook: Callable[..., Notebook],
    settings: Any,
) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    settings.NOTEBOOK_ORIGIN = f"http://nb-{{uuid}}.localhost:{port}"
    owner = person()
    notebook = make_notebook(owner.user, address=jupyter.unix_address)
    browser, origin = Browser(port), origin_of(notebook.uuid)
    with contextlib.ExitStack() as open_lines:
        with Served(NotebookOrigin(), listener):
            assert browser.visit(owner.ticket(notebook)).status == 200
            line = open_lines.enter_context(browser.socket(f"{origin}{CHANNELS}"))
            line.send("before")
            assert line.recv(5) == "before"
        assert closing_of(line)[0] == 1012  # service restart: come again

    with (
        Served(NotebookOrigin(), socket.create_server(("127.0.0.1", port))),
        browser.socket(f"{origin}{CHANNELS}") as again,
    ):
        again.send("after")
        assert again.recv(5) == "after"


class Outage:
    """A database that is away while ``is_on``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_on = False
        run = Threads.run

        async def broken(threads: Threads, work: Any, *args: Any, **kwargs: Any) -> Any:
            def fail() -> None:
                raise OperationalError("connection to server at 10.0.0.7 failed: secret")

            return await (run(threads, fail) if self.is_on else run(threads, work, *args, **kwargs))

        monkeypatch.setattr(Threads, "run", broken)


def test_without_a_database_nobody_new_comes_in_and_what_is_open_stays(
    enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    outage = Outage(monkeypatch)
    inside = enter()
    other = enter()
    with inside.browser.socket(f"{inside.origin}{CHANNELS}") as line:
        outage.is_on = True
        answers = []

        def is_told() -> bool:
            answers.append(other.browser.fetch(f"{other.origin}/api/status"))
            return answers[-1].status == 503

        wait_until(is_told)
        assert answers[-1].text == (
            "The database is busy or restarting. Nothing was lost; try again.\n"
        )
        assert other.browser.visit(other.person.ticket(other.notebook)).status == 503
        line.send("stays")
        assert line.recv(5) == "stays"

        outage.is_on = False

        wait_until(lambda: other.browser.fetch(f"{other.origin}/api/status").status == 200)
        line.send("stayed")
        assert line.recv(5) == "stayed"


def test_without_a_database_for_long_all_is_closed(
    enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "BLIND_SECONDS", 1.0)
    outage = Outage(monkeypatch)
    inside = enter()
    with inside.browser.socket(f"{inside.origin}{CHANNELS}") as line:
        outage.is_on = True

        code, reason = closing_of(line)

    assert code == 1008
    assert "database" in reason
