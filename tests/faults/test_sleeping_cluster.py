"""Workers die while a scheduled job has its paused cluster resumed (K5)."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from django.utils import timezone

from tests.faults.scene import DATABASE, Scene
from tests.waiting import wait_until
from workspaces.models import Operation

pytestmark = [pytest.mark.timeout(300)]

AHEAD = timedelta(seconds=6)


def _schedule(scene: Scene, name: str, cluster: UUID) -> UUID:
    at = timezone.now() + AHEAD
    form = scene.job_form(name, cluster) | {
        "schedule_kind": "AT",
        "scheduled_on": f"{at:%Y-%m-%dT%H:%M:%S}",
        "time_zone": "UTC",
    }
    answer = scene.person.submit("jobs", form)
    assert answer.is_accepted, f"{answer.status}: {answer.complaints()}"
    scene.expected[UUID(form["uuid"])] = "SUCCEEDED"
    return UUID(form["uuid"])


@pytest.mark.parametrize(
    ("verb", "victim"),
    [
        pytest.param("pause", "whole stack", marks=pytest.mark.fault),
        pytest.param("stop", "busy worker", marks=pytest.mark.fault),
        *(
            pytest.param(verb, victim, marks=pytest.mark.soak)
            for verb, victim in [
                ("pause", "busy worker"),
                ("pause", "idle worker"),
                ("pause", "controller"),
                ("stop", "controller"),
            ]
        ),
    ],
)
def test_job_runs_on_its_resumed_cluster_although_one_dies(
    scene: Scene, victim: str, verb: str
) -> None:
    cluster = scene.create_cluster(f"Sleeps {verb} {victim}")
    scene.wait_for_cluster(cluster, "RUNNING")
    assert scene.person.press("clusters", cluster, verb).is_accepted
    scene.wait_for_cluster(cluster, {"pause": "PAUSED", "stop": "STOPPED"}[verb])
    job = _schedule(scene, f"Wakes {verb} {victim}", cluster)

    wait_until(lambda: scene.job(job).waking_uuid is not None, timeout=30, every=0.01)
    scene.strike(victim, cluster, "resume", lambda: scene.wait_for_job(job, "SUCCEEDED"))

    waking = Operation.objects.using(DATABASE).filter(target_uuid=cluster, source="job")
    assert [row.uuid for row in waking] == [scene.job(job).waking_uuid]
    scene.wait_until_settled(job)
    assert scene.cluster(cluster).state == "RUNNING"
    scene.remove_cluster(cluster)
    scene.wait_for_cluster(cluster, "TERMINATED")
