"""What was installed on a cluster outlives its machines, and not the cluster."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from clusters.models import Cluster
from clusters.services import (
    cluster_act,
    cluster_mark_ready,
    cluster_remove,
    cluster_scale,
    packages_keep,
)
from clusters.tasks import check_clusters
from tests.fake_cloud import FakeCloud
from workspaces.clouds.base import CloudError
from workspaces.models import Workspace
from workspaces.operations import Actor

Run = Callable[..., object]
SIX = "pip install six"


@pytest.fixture
def running(cluster: Callable[..., Cluster], cloud: FakeCloud) -> Cluster:
    made = cluster("Alpha", state="INPROGRESS")
    cluster_mark_ready(cluster=made, now=timezone.now())
    cloud.clusters.add(made.uuid)
    made.refresh_from_db()
    return made


@pytest.mark.parametrize(("down", "up"), [("pause", "resume"), ("stop", "start")])
def test_packages_come_back_with_new_machines(
    running: Cluster, cloud: FakeCloud, run_operations: Run, down: str, up: str
) -> None:
    cloud.packages[running.uuid] = (SIX,)

    cluster_act(cluster=running, verb=down, actor=Actor())
    run_operations()
    between = dict(cloud.packages)
    running.refresh_from_db()
    cluster_act(cluster=running, verb=up, actor=Actor())
    run_operations()

    assert between == {}
    assert cloud.packages == {running.uuid: (SIX,)}


def test_packages_outlive_a_restart_and_a_change_of_size(
    running: Cluster, cloud: FakeCloud, run_operations: Run
) -> None:
    cloud.packages[running.uuid] = (SIX,)

    cluster_act(cluster=running, verb="restart", actor=Actor())
    run_operations()
    after_restart = dict(cloud.packages)
    cloud.packages[running.uuid] = (SIX, "pip install idna")
    running.refresh_from_db()
    cluster_scale(cluster=running, node_count=3, actor=Actor())
    run_operations()
    running.refresh_from_db()

    assert after_restart == {running.uuid: (SIX,)}
    assert running.packages == [SIX, "pip install idna"]


def test_uninstalled_package_does_not_come_back(
    running: Cluster, cloud: FakeCloud, run_operations: Run
) -> None:
    cloud.packages[running.uuid] = (SIX,)
    check_clusters()
    cloud.packages[running.uuid] = ()

    cluster_act(cluster=running, verb="stop", actor=Actor())
    run_operations()

    running.refresh_from_db()
    assert running.packages == []


def test_packages_of_a_cluster_that_dies_were_noted_before(
    running: Cluster, cloud: FakeCloud, run_operations: Run
) -> None:
    cloud.packages[running.uuid] = (SIX,)
    check_clusters()
    cloud.packages.clear()
    cloud.lost[running.uuid] = timezone.now().timestamp()

    check_clusters()
    run_operations()

    running.refresh_from_db()
    assert (running.state, running.packages) == ("FAILED", [SIX])


def test_removal_forgets_them(running: Cluster, cloud: FakeCloud, run_operations: Run) -> None:
    cloud.packages[running.uuid] = (SIX,)
    check_clusters()

    cluster_remove(cluster=running, actor=Actor())
    run_operations()

    running.refresh_from_db()
    assert (running.state, running.packages) == ("TERMINATED", [])


def test_provider_that_can_not_tell_keeps_nobody_from_pausing(
    running: Cluster, cloud: FakeCloud
) -> None:
    Cluster.objects.filter(pk=running.pk).update(packages=[SIX])
    running.refresh_from_db()
    cloud.error = CloudError("Unreachable", "The provider does not answer.")

    packages_keep(cluster=running, cloud=cloud)

    running.refresh_from_db()
    assert running.packages == [SIX]


def test_details_show_them(
    running: Cluster,
    workspace: Workspace,
    member: Callable[..., User],
    signed_in: Callable[[User], Client],
) -> None:
    Cluster.objects.filter(pk=running.pk).update(packages=["pip install 'six>=1'"])
    url = reverse("clusters:detail", args=[workspace.uuid, running.uuid])

    page = signed_in(member("MEMBER", workspace)).get(url)

    assert "<code>pip install &#x27;six&gt;=1&#x27;</code>" in page.content.decode()


def test_provider_that_does_not_answer_makes_nobody_lost(
    running: Cluster, cloud: FakeCloud
) -> None:
    cloud.error = CloudError("Unreachable", "The provider does not answer.")

    check_clusters()

    running.refresh_from_db()
    assert running.state == "RUNNING"
