from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from clusters.models import Cluster
from clusters.services import cluster_mark_ready
from jobs.models import Job
from tests.fake_cloud import FakeCloud
from workspaces.models import Workspace


@pytest.fixture
def person(
    member: Callable[..., User], signed_in: Callable[[User], Client], workspace: Workspace
) -> Client:
    return signed_in(member("MEMBER", workspace))


@pytest.fixture
def free(cluster: Callable[..., Cluster], cloud: FakeCloud) -> Cluster:
    made = cluster("Alpha", state="INPROGRESS")
    cluster_mark_ready(cluster=made, now=timezone.now())
    cloud.clusters.add(made.uuid)
    made.refresh_from_db()
    return made


@pytest.fixture
def post(person: Client, workspace: Workspace) -> Callable[..., Any]:
    """Post the job form with changes to a plain one."""

    def submit(**changes: object) -> Any:
        data = {
            "uuid": uuid4(),
            "name": "Nightly",
            "command": "ex.py 1",
            "source_url": "https://git.example.org/team/examples",
            "timeout_minutes": 60,
            "form-TOTAL_FORMS": 1,
            "form-INITIAL_FORMS": 0,
            **changes,
        }
        return person.post(reverse("jobs:create", args=[workspace.uuid]), data)

    return submit


@pytest.fixture
def submit(post: Callable[..., Any], free: Cluster) -> Callable[..., Job]:
    """A job on the free cluster, accepted."""

    def make(**changes: object) -> Job:
        uuid = uuid4()
        response = post(**{"uuid": uuid, "cluster": free.pk, **changes})
        assert response.status_code == 302, response.content.decode()
        return Job.objects.get(uuid=uuid)

    return make
