"""PostgreSQL is restarted, its connections cut, in the midst of everything that can be asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from django.db import connections
from django.utils import timezone
from pytest_django.plugin import DjangoDbBlocker

from tests.faults.conftest import played, signed_in
from tests.faults.scene import DATABASE, Scene
from tests.postgres import Postgres, private_server
from tests.stack import Stack
from tests.waiting import wait_until

pytestmark = [pytest.mark.fault, pytest.mark.timeout(300)]


@pytest.fixture
def server() -> Iterator[Postgres]:
    with private_server() as running:
        yield running


@pytest.fixture
def postgres_scene(
    request: pytest.FixtureRequest,
    server: Postgres,
    other_stack: Callable[..., Stack],
    source: str,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[Scene]:
    stack = other_stack({"DATABASE_URL": server.url})
    with (
        stack,
        django_db_blocker.unblock(),
        played(request, stack, signed_in(stack), source) as scene,
    ):
        yield scene


def restart(server: Postgres, scene: Scene) -> None:
    """At some moment of the next two seconds."""
    threading.Event().wait(scene.dice.uniform(0.05, 2))
    server.stop()
    connections[DATABASE].close()
    server.start()


def test_database_restarts_amid_mixed_work(postgres_scene: Scene, server: Postgres) -> None:
    scene = postgres_scene
    began = timezone.now()
    one, two, three = (scene.create_cluster(f"Number {number}") for number in range(3))

    restart(server, scene)
    for cluster in (one, two, three):
        scene.wait_for_cluster(cluster, "RUNNING")
    scene.note("PostgreSQL", "create", began)

    began = timezone.now()
    job = scene.run_job("Amid", one)
    assert scene.person.press("clusters", two, "pause").is_accepted
    assert scene.person.scale(three, 2).is_accepted
    restart(server, scene)
    scene.wait_for_job(job, "SUCCEEDED")
    wait_until(lambda: scene.cluster(two).state == "PAUSED", timeout=60)
    scene.wait_for_cluster(three, "RUNNING")
    scene.note("PostgreSQL", "run, pause, scale", began)
    assert scene.cluster(three).nodes.count() == 2

    began = timezone.now()
    assert scene.person.press("clusters", two, "resume").is_accepted
    own = scene.run_job("On its own", None)
    for cluster in (one, three):
        scene.remove_cluster(cluster)
    restart(server, scene)
    for cluster in (one, three):
        scene.wait_for_cluster(cluster, "TERMINATED")
    wait_until(lambda: scene.cluster(two).state == "RUNNING", timeout=60)
    scene.wait_for_job(own, "SUCCEEDED")
    scene.note("PostgreSQL", "resume, run, remove", began)
    scene.wait_for_cluster(scene.job(own).cluster.uuid, "TERMINATED")
    scene.remove_cluster(two)
    scene.wait_for_cluster(two, "TERMINATED")
