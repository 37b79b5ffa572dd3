"""Creating a cluster: form, double submit, readiness, failure, the meter."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from clusters.models import Cluster, UsageInterval
from clusters.sizing import RECOMMENDATIONS
from tests.fake_cloud import FakeCloud
from workspaces.clouds.base import CloudError, ClusterPhase
from workspaces.models import Operation, Workspace
from workspaces.operations.runner import MAX_ATTEMPTS

Make = Callable[..., object]


@pytest.fixture
def person(
    member: Callable[..., User], signed_in: Callable[[User], Client], workspace: Workspace
) -> Client:
    return signed_in(member("MEMBER", workspace))


def _post(client: Client, workspace: Workspace, **changes: object) -> object:
    data = {
        "uuid": uuid4(),
        "name": "Alpha",
        "instance_type": "c5.4xlarge",
        "node_count": 4,
        "bodo_version": "2026.10",
        **changes,
    }
    return client.post(reverse("clusters:create", args=[workspace.uuid]), data)


def test_create_ends_finished_and_running(
    person: Client, workspace: Workspace, run_operations: Make
) -> None:
    """F096, F112, F113, F116."""
    response = _post(person, workspace)
    cluster = Cluster.objects.get()
    new = (cluster.state, Operation.objects.get().status)

    run_operations()

    cluster.refresh_from_db()
    assert response.status_code == 302  # type: ignore[attr-defined]
    assert new == ("NEW", "NEW")
    assert cluster.state == "RUNNING"
    assert Operation.objects.get().status == "FINISHED"
    assert [node.address for node in cluster.nodes.all()] == [
        "127.1.1.1",
        "127.1.1.2",
        "127.1.1.3",
        "127.1.1.4",
    ]


def test_core_count_is_half_the_vcpus_times_the_nodes(
    person: Client, workspace: Workspace, run_operations: Make
) -> None:
    """F150: 4 x c5.4xlarge are 32 cores."""
    _post(person, workspace)
    run_operations()
    cluster = Cluster.objects.get()

    page = person.get(reverse("clusters:detail", args=[workspace.uuid, cluster.uuid]))

    assert cluster.core_count == 32
    line = f"mpiexec -n 32 -f /shared/.hostfile-{cluster.uuid} hostname"
    assert line.encode() in page.content


def test_double_submit_makes_one_cluster(person: Client, workspace: Workspace) -> None:
    """F112."""
    uuid = uuid4()

    answers = [_post(person, workspace, uuid=uuid).status_code for _ in range(2)]  # type: ignore[attr-defined]

    assert answers == [302, 302]
    assert Cluster.objects.count() == 1
    assert Operation.objects.count() == 1


def test_double_submit_is_not_refused_for_the_room_that_its_first_one_took(
    person: Client, workspace: Workspace, cloud: FakeCloud
) -> None:
    uuid = uuid4()

    def first_one_was_quicker(region: str, instance_type: object, node_count: int) -> None:
        del cloud.check_capacity
        _post(person, workspace, uuid=uuid)
        raise CloudError("Capacity", "No room is left.")

    cloud.check_capacity = first_one_was_quicker

    answer = _post(person, workspace, uuid=uuid)

    assert answer.status_code == 302  # type: ignore[attr-defined]
    assert Cluster.objects.count() == 1


def test_meter_starts_when_ready_and_not_before(
    person: Client, workspace: Workspace, cloud: FakeCloud, run_operations: Make
) -> None:
    """F190."""
    cloud.cluster_phases = [ClusterPhase.RUNTIME, ClusterPhase.ENGINES, ClusterPhase.READY]
    _post(person, workspace)

    run_operations(steps=2)
    before = UsageInterval.objects.count()
    run_operations()

    interval = UsageInterval.objects.get()
    assert before == 0
    assert interval.ended_at is None
    assert interval.node_count == 4


def test_failed_creation_costs_nothing_and_leaves_nothing(
    person: Client, workspace: Workspace, cloud: FakeCloud, run_operations: Make
) -> None:
    """F117, F191."""
    cloud.cluster_phases = [ClusterPhase.NODES, ClusterPhase.FAILED]
    _post(person, workspace)

    run_operations()

    cluster = Cluster.objects.get()
    assert cluster.state == "FAILED"
    assert cluster.state_reason == "An engine ended."
    assert UsageInterval.objects.count() == 0
    assert cloud.clusters == set()
    assert not workspace.cloud_resources.open().exists()


def test_failed_creation_is_retried(
    person: Client, workspace: Workspace, cloud: FakeCloud, run_operations: Make
) -> None:
    """F117."""
    cloud.cluster_phases = [ClusterPhase.FAILED]
    _post(person, workspace)
    run_operations()
    cluster = Cluster.objects.get()

    person.post(reverse("clusters:retry", args=[workspace.uuid, cluster.uuid]))
    run_operations()

    cluster.refresh_from_db()
    assert cluster.state == "RUNNING"
    assert UsageInterval.objects.filter(ended_at=None).count() == 1


def test_step_repeated_after_a_crash_opens_one_interval(
    person: Client, workspace: Workspace, run_operations: Make
) -> None:
    _post(person, workspace)
    run_operations()
    # as if the worker had died after the meter started and before the outcome was written
    Operation.objects.update(status="INPROGRESS", finished_at=None)

    run_operations()

    assert UsageInterval.objects.count() == 1
    assert Operation.objects.get().status == "FINISHED"


def test_creation_whose_workers_died_after_the_meter_started_stays_running(
    person: Client, workspace: Workspace, cloud: FakeCloud, run_operations: Make
) -> None:
    """What is wrong with its engines by now is for the check of running clusters to find."""
    _post(person, workspace)
    run_operations()
    Operation.objects.update(status="INPROGRESS", finished_at=None)
    cloud.cluster_phases = [ClusterPhase.FAILED]

    run_operations()

    assert Operation.objects.get().status == "FINISHED"
    assert Cluster.objects.get().state == "RUNNING"


def test_cluster_failed_after_its_meter_started_is_metered_no_longer(
    person: Client, workspace: Workspace, run_operations: Make
) -> None:
    _post(person, workspace)
    run_operations()
    Operation.objects.update(status="INPROGRESS", finished_at=None, attempts=MAX_ATTEMPTS)

    run_operations()

    assert Cluster.objects.get().state == "FAILED"
    assert UsageInterval.objects.get().ended_at is not None


def test_full_cloud_is_refused_next_to_the_field(person: Client, workspace: Workspace) -> None:
    response = _post(person, workspace, node_count=9)

    assert response.status_code == 422  # type: ignore[attr-defined]
    assert b"Only 8 nodes can be had here." in response.content  # type: ignore[attr-defined]
    assert not Cluster.objects.exists()


def test_name_of_a_live_cluster_is_refused(
    person: Client, workspace: Workspace, cluster: Callable[..., Cluster]
) -> None:
    """F097."""
    cluster("Alpha")

    response = _post(person, workspace, name="ALPHA")

    assert response.status_code == 422  # type: ignore[attr-defined]


def test_name_of_a_removed_cluster_is_free_again(
    person: Client, workspace: Workspace, cluster: Callable[..., Cluster]
) -> None:
    """F097."""
    cluster("Alpha", state="TERMINATED")

    response = _post(person, workspace)

    assert response.status_code == 302  # type: ignore[attr-defined]


@pytest.mark.parametrize("count", ["0", "-1", "1000000000", "two", ""])
def test_bad_number_of_instances_is_refused(
    person: Client, workspace: Workspace, count: str
) -> None:
    """F102."""
    response = _post(person, workspace, node_count=count)

    assert response.status_code == 422  # type: ignore[attr-defined]
    assert not Cluster.objects.exists()


def test_empty_instance_type_list_says_why(
    person: Client, workspace: Workspace, cloud: FakeCloud
) -> None:
    """F101."""
    cloud.error = CloudError("Credentials", "The role does not exist.")

    page = person.get(reverse("clusters:create", args=[workspace.uuid]))

    assert b"credentials are not entered properly or they are not valid" in page.content
    assert b"The role does not exist." in page.content


def test_sizing_table_has_the_documented_rows(person: Client, workspace: Workspace) -> None:
    """F118, F119."""
    page = person.get(reverse("clusters:create", args=[workspace.uuid])).content.decode()

    rows = [(row.warehouse_size, row.spec) for row in RECOMMENDATIONS]
    assert rows == [
        ("XS", "1 x c5n.2xlarge"),
        ("S", "1 x r5n.4xlarge"),
        ("M", "1 x r5n.8xlarge"),
        ("L", "1 x r5n.24xlarge"),
        ("XL", "2 x r5n.24xlarge"),
        ("2XL", "5 x r5n.24xlarge"),
    ]
    assert all(spec in page for _, spec in rows)


def test_sizing_button_fills_the_form(person: Client, workspace: Workspace) -> None:
    """F118, without JavaScript."""
    url = reverse("clusters:create", args=[workspace.uuid])

    page = person.get(url, {"instance_type": "c5.4xlarge", "node_count": "5"}).content.decode()

    assert '<option value="c5.4xlarge" selected>' in page
    assert 'name="node_count" value="5"' in page


def test_cluster_waits_for_a_ready_workspace(person: Client, workspace: Workspace) -> None:
    Workspace.objects.update(status="INPROGRESS")

    response = _post(person, workspace)

    assert response.status_code == 422  # type: ignore[attr-defined]
    assert b"Wait until it is READY" in response.content  # type: ignore[attr-defined]
