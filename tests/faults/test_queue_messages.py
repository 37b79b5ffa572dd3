"""The queue is a hint: a message that is lost, late or delivered many times changes nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from django_q.models import OrmQ

from tests.faults.scene import DATABASE, Scene, messages
from workspaces.models import Operation
from workspaces.operations.controller import LOST_HINT_AFTER

pytestmark = [pytest.mark.fault, pytest.mark.timeout(300)]

COPIES = 8
SLACK = timedelta(seconds=5)


def deliver(found: list[OrmQ], times: int) -> None:
    """The same signed messages again, the latest first."""
    copies = [OrmQ(key=m.key, payload=m.payload, lock=m.lock) for m in reversed(found)] * times
    OrmQ.objects.using(DATABASE).bulk_create(copies)


def test_lost_message_is_sent_again(scene: Scene) -> None:
    with scene.held_queue():
        cluster = scene.create_cluster("Lost message")
        OrmQ.objects.using(DATABASE).filter(pk__in=[m.pk for m in messages()]).delete()
    lost_at = timezone.now()

    scene.wait_until_begun(cluster, "cluster.create")

    scene.note("message", "create", lost_at)
    assert timezone.now() < lost_at + LOST_HINT_AFTER + SLACK
    scene.wait_for_cluster(cluster, "RUNNING")
    scene.remove_cluster(cluster)


def test_message_delivered_many_times_does_its_work_once(scene: Scene) -> None:
    with scene.held_queue():
        cluster = scene.create_cluster("Repeated message")
        creation = messages()
        deliver(creation, COPIES)
    scene.wait_for_cluster(cluster, "RUNNING")
    with scene.held_queue():
        job = scene.run_job("Repeated job", cluster)
        run = messages()
        deliver(run, COPIES)
    scene.wait_for_job(job, "RUNNING")
    deliver(creation + run, COPIES)
    scene.wait_for_job(job, "SUCCEEDED")
    with scene.held_queue():
        scene.remove_cluster(cluster)
        deliver(creation + run + messages(), COPIES)
    scene.wait_for_cluster(cluster, "TERMINATED")

    deliver(creation + run, COPIES)

    kinds = Operation.objects.using(DATABASE).filter(target_uuid__in=[cluster, job])
    assert sorted(kinds.values_list("kind", "status")) == [
        ("cluster.create", "FINISHED"),
        ("cluster.remove", "FINISHED"),
        ("job.run", "FINISHED"),
    ]
