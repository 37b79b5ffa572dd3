from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import Postgres, private_server
from tests.stack import Stack
from tests.waiting import wait_until


@pytest.fixture
def server() -> Iterator[Postgres]:
    with private_server() as running:
        yield running


@pytest.mark.fault
def test_an_outage_of_the_database_is_waited_for_without_restarts(
    server: Postgres, tmp_path: Path
) -> None:
    with Stack(tmp_path / "data", {"DATABASE_URL": server.url}) as stack:
        pusher = stack.pids()["pusher"]
        qcluster = stack.pids()["qcluster"]

        server.stop()

        wait_until(lambda: stack.health().get("status") == "down", timeout=30)
        # django-q2 replaces its pusher ten seconds after the first error: now all have noticed.
        wait_until(lambda: stack.pids().get("pusher", pusher) != pusher, timeout=40)
        assert stack.pids()["qcluster"] == qcluster
        assert "started anew" not in stack.log()

        server.start()

        wait_until(lambda: stack.health().get("status") == "ok", timeout=60)
        stack.demo()
        assert stack.log().count("started anew") == 1
