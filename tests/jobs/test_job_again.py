"""RUN AGAIN and EDIT AND RUN."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from clusters.leases import lease_take
from clusters.models import Cluster
from jobs.models import Job
from tests.fake_cloud import FakeCloud
from workspaces.models import Workspace

EVERYTHING = {
    "reference": "v1",
    "username": "ada",
    "password": "ghp_canary1",
    "timeout_minutes": 7,
    "retries": 2,
    "retry_delay_minutes": 3,
    "is_retried_on_timeout": "on",
    "form-0-key": "API_TOKEN",
    "form-0-value": "canary-value",
}


@pytest.fixture
def again(person: Client, workspace: Workspace) -> Callable[..., Any]:
    def press(job: Job, uuid: UUID) -> Any:
        url = reverse("jobs:again", args=[workspace.uuid, job.uuid])
        return person.post(url, {"uuid": uuid}, follow=True)

    return press


def test_same_parameters_and_the_same_secrets(
    submit: Callable[..., Job],
    again: Callable[..., Any],
    cloud: FakeCloud,
    run_operations: Callable[..., int],
) -> None:
    old = submit(**EVERYTHING)
    run_operations()
    uuid = uuid4()

    page = again(old, uuid)
    run_operations()

    first, second = cloud.commands[old.uuid], cloud.commands[uuid]
    new = Job.objects.get(uuid=uuid)
    assert page.status_code == 200
    assert (second.source, second.environment) == (first.source, first.environment)
    assert (new.timeout_minutes, new.retries, new.retry_delay_minutes) == (7, 2, 3)
    assert new.is_retried_on_timeout
    assert new.status == "FINISHED"
    assert new.password_sealed != old.password_sealed
    assert b"canary" not in page.content


def test_double_click_makes_one_job(
    submit: Callable[..., Job], again: Callable[..., Any], run_operations: Callable[..., int]
) -> None:
    old = submit()
    run_operations()
    uuid = uuid4()

    codes = [again(old, uuid).status_code for _ in range(2)]

    assert codes == [200, 200]
    assert Job.objects.count() == 2


def test_job_with_a_cluster_of_its_own_gets_a_new_one(
    post: Callable[..., Any], again: Callable[..., Any], run_operations: Callable[..., int]
) -> None:
    post(is_new_cluster="on", instance_type="c5.large", node_count=2, bodo_version="2026.10")
    run_operations(steps=200)
    old = Job.objects.get()

    again(old, uuid4())

    new = Job.objects.exclude(pk=old.pk).get()
    assert new.cluster != old.cluster
    assert (new.cluster.instance_type, new.cluster.node_count) == ("c5.large", 2)
    assert new.cluster.is_dedicated


def test_busy_cluster_leads_to_the_form_filled_but_for_secrets(
    submit: Callable[..., Job],
    again: Callable[..., Any],
    free: Cluster,
    run_operations: Callable[..., int],
) -> None:
    old = submit(**EVERYTHING)
    run_operations()
    now = timezone.now()
    lease_take(
        cluster=free,
        holder_kind="notebook",
        holder_uuid=uuid4(),
        now=now,
        expires_at=now + timedelta(hours=1),
    )

    page = again(old, uuid4()).content.decode()

    assert Job.objects.count() == 1
    assert "Cluster Alpha is not free now." in page
    assert 'value="v1"' in page
    assert 'value="API_TOKEN"' in page
    assert "type them again" in page
    assert "canary" not in page


def test_form_of_another_workspaces_job_is_empty(
    person: Client, workspace: Workspace, submit: Callable[..., Job]
) -> None:
    job = submit(name="Secret plan")
    other = Workspace.objects.create(
        organization=workspace.organization,
        cloud_configuration=workspace.cloud_configuration,
        name="Other",
        region="here",
        status="READY",
    )
    Job.objects.filter(pk=job.pk).update(workspace=other)
    person.get(reverse("jobs:list", args=[workspace.uuid]))  # shows the message of the submit

    page = person.get(reverse("jobs:create", args=[workspace.uuid]), {"again": job.uuid})

    assert b"Secret plan" not in page.content
