"""The same form sent several times at once: one thing is made, and every answer says so."""

from __future__ import annotations

import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest

from clusters.models import Cluster
from jobs.models import Job
from tests.faults.person import NOBODY_LISTENS, Answer
from tests.faults.scene import DATABASE, Scene
from tests.waiting import wait_until
from workspaces.models import Operation

pytestmark = [pytest.mark.fault, pytest.mark.timeout(300)]

HANDS = 6


def submit_at_once(scene: Scene, noun: str, form: dict[str, str]) -> list[Answer]:
    ready = threading.Barrier(HANDS)

    def submit(_: int) -> Answer:
        ready.wait()
        return scene.person.submit(noun, form)

    with ThreadPoolExecutor(HANDS) as hands:
        return list(hands.map(submit, range(HANDS)))


def assert_all_accepted(answers: list[Answer]) -> None:
    refused = [(a.status, a.complaints()) for a in answers if not a.is_accepted]
    assert refused == []


def count_named(name: str) -> tuple[int, int]:
    """(clusters, jobs)"""
    clusters = Cluster.objects.using(DATABASE).filter(name__startswith=name)
    return clusters.count(), Job.objects.using(DATABASE).filter(name__startswith=name).count()


def test_double_submit_of_the_cluster_form_makes_one_cluster(scene: Scene) -> None:
    form = scene.person.cluster_form("Doubled")
    uuid = UUID(form["uuid"])

    answers = submit_at_once(scene, "clusters", form)

    assert_all_accepted(answers)
    assert count_named("Doubled") == (1, 0)
    scene.wait_for_cluster(uuid, "RUNNING")
    assert_all_accepted([scene.person.submit("clusters", form)])
    removals = [scene.person.press("clusters", uuid, "remove") for _ in range(2)]
    assert_all_accepted(removals)
    scene.wait_for_cluster(uuid, "TERMINATED")
    assert_all_accepted([scene.person.submit("clusters", form)])
    assert Operation.objects.using(DATABASE).for_target(uuid).count() == 2


def test_double_submit_of_the_job_form_makes_one_job(scene: Scene) -> None:
    cluster = scene.create_cluster("For doubled jobs")
    scene.wait_for_cluster(cluster, "RUNNING")
    form = scene.job_form("Once", cluster)

    answers = submit_at_once(scene, "jobs", form)

    assert_all_accepted(answers)
    assert count_named("Once") == (0, 1)
    scene.wait_for_job(UUID(form["uuid"]), "RUNNING")
    late = scene.person.submit("jobs", form)
    assert_all_accepted([late])
    scene.wait_for_job(UUID(form["uuid"]), "SUCCEEDED")
    scene.remove_cluster(cluster)


def test_double_submit_of_a_job_with_its_own_cluster_makes_one_of_each(scene: Scene) -> None:
    form = scene.job_form("Own", None)
    uuid = UUID(form["uuid"])

    answers = submit_at_once(scene, "jobs", form)

    assert_all_accepted(answers)
    assert count_named("Own") == (1, 1)
    cluster = scene.job(uuid).cluster.uuid
    scene.wait_for_job(uuid, "SUCCEEDED")
    scene.wait_for_cluster(cluster, "TERMINATED")
    assert_all_accepted([scene.person.submit("jobs", form)])
    assert count_named("Own") == (1, 1)


@pytest.mark.parametrize("round_", range(2))
def test_submit_that_lost_its_answer_is_repeated_without_harm(scene: Scene, round_: int) -> None:
    """The web processes die at some moment of the request; the user sends the form again."""
    form = scene.job_form(f"Resent {round_}", None)
    uuid = UUID(form["uuid"])
    moment = scene.dice.uniform(0, 0.15)

    def submit() -> Answer | None:
        try:
            return scene.person.submit("jobs", form)
        except NOBODY_LISTENS:
            return None

    with ThreadPoolExecutor(1) as hand:
        first = hand.submit(submit)
        threading.Event().wait(moment)
        for worker in scene.stack.processes()["web_worker"]:
            worker.send_signal(signal.SIGKILL)
        answers = [first.result(), wait_until(submit, timeout=20, every=0.1)]

    assert_all_accepted([answer for answer in answers if answer])
    assert count_named(f"Resent {round_}") == (1, 1)
    scene.wait_for_job(uuid, "SUCCEEDED")
    scene.wait_for_cluster(scene.job(uuid).cluster.uuid, "TERMINATED")
