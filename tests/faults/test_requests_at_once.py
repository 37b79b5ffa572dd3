"""Several people press different buttons of one cluster in the same moment, in every order."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest

from tests.faults.person import Answer
from tests.faults.scene import DATABASE, Scene
from tests.waiting import wait_until
from workspaces.models import Operation

pytestmark = [pytest.mark.fault, pytest.mark.timeout(300)]

ENDS = {"pause": "PAUSED", "stop": "STOPPED", "restart": "RUNNING", "scale": "RUNNING"}
HEAD_START_SECONDS = 0.04  # about as long as one such request takes


def at_once(scene: Scene, cluster: UUID, verbs: list[str]) -> list[Answer]:
    """Each begins at a moment of its own, so that one time this, one time that comes first."""
    ready = threading.Barrier(len(verbs))

    def ask(verb: str, moment: float) -> Answer:
        ready.wait()
        threading.Event().wait(moment)
        if verb == "scale":
            return scene.person.scale(cluster, 2)
        return scene.person.press("clusters", cluster, verb)

    moments = [scene.dice.uniform(0, HEAD_START_SECONDS) for _ in verbs]
    with ThreadPoolExecutor(len(verbs)) as hands:
        return list(hands.map(ask, verbs, moments))


def operations_on(cluster: UUID) -> list[Operation]:
    rows = Operation.objects.using(DATABASE).for_target(cluster)
    return list(rows.exclude(kind="cluster.create").order_by("pk"))


@pytest.fixture
def running(scene: Scene) -> Callable[[str], list[UUID]]:
    def make(name: str) -> list[UUID]:
        made = [scene.create_cluster(f"{name} {number}") for number in range(3)]
        for cluster in made:
            scene.wait_for_cluster(cluster, "RUNNING")
        return made

    return make


def test_remove_wins_over_pause_and_scale(
    scene: Scene, running: Callable[[str], list[UUID]]
) -> None:
    for cluster in running("Removed at once"):
        answers = at_once(scene, cluster, ["pause", "scale", "remove"])
        scene.expected[cluster] = "TERMINATED"

        assert {answer.status for answer in answers} <= {302, 422}
        wait_until(lambda uuid=cluster: scene.cluster(uuid).state == "TERMINATED", timeout=60)
        scene.wait_until_settled(cluster)
        *overtaken, last = operations_on(cluster)
        assert (last.kind, last.status) == ("cluster.remove", "FINISHED")
        assert [o.status for o in overtaken] in ([], ["CANCELLED"], ["FINISHED"])
        interval = scene.cluster(cluster).usage_intervals.get()
        assert interval.end_reason == operations_on(cluster)[0].verb.lower()


def test_one_of_pause_stop_restart_and_scale_is_done(
    scene: Scene, running: Callable[[str], list[UUID]]
) -> None:
    clusters = running("Moved at once")
    for cluster in clusters:
        answers = at_once(scene, cluster, list(ENDS))

        assert {answer.status for answer in answers} <= {302, 422}
        [one] = operations_on(cluster)
        end = scene.expected[cluster] = ENDS[one.verb.lower()]
        wait_until(lambda uuid=cluster, end=end: scene.cluster(uuid).state == end, timeout=60)
        assert scene.cluster(cluster).nodes.count() == (2 if one.kind == "cluster.scale" else 1)
    for cluster in clusters:
        scene.wait_until_settled(cluster)
        scene.remove_cluster(cluster)
