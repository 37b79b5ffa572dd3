"""Workspaces: deployed as an operation, entered when READY, removed when nothing lives in them."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from clusters.models import Cluster
from tests.fake_cloud import FakeCloud
from workspaces.clouds.base import CloudError
from workspaces.models import CloudConfiguration, TimelineEntry, Workspace

Make = Callable[..., object]


def _post(client: Client, workspace: Workspace, **changes: object) -> object:
    data = {
        "uuid": uuid4(),
        "name": "Second",
        "cloud_configuration": workspace.cloud_configuration.pk,
        "region": "here",
        **changes,
    }
    return client.post(reverse("workspaces:create", args=[workspace.organization.uuid]), data)


@pytest.fixture
def owner(member: Callable[..., User], signed_in: Callable[[User], Client]) -> Client:
    return signed_in(member("OWNER"))


def test_create_deploys_in_the_background(
    owner: Client, workspace: Workspace, cloud: FakeCloud, run_operations: Make
) -> None:
    """F025, F026, F027."""
    response = _post(owner, workspace)
    made = Workspace.objects.get(name="Second")
    before = made.status

    run_operations()

    made.refresh_from_db()
    assert response.status_code == 302  # type: ignore[attr-defined]
    assert before == "NEW"
    assert made.status == "READY"
    assert made.uuid in cloud.workspaces
    assert TimelineEntry.objects.filter(action="workspace.create", target_uuid=made.uuid).exists()


def test_second_submit_of_the_same_form_makes_one_workspace(
    owner: Client, workspace: Workspace
) -> None:
    uuid = uuid4()

    answers = [_post(owner, workspace, uuid=uuid).status_code for _ in range(2)]  # type: ignore[attr-defined]

    assert answers == [302, 302]
    assert Workspace.objects.filter(name="Second").count() == 1


def test_taken_name_is_refused_next_to_the_field(owner: Client, workspace: Workspace) -> None:
    response = _post(owner, workspace, name="research")

    assert response.status_code == 422  # type: ignore[attr-defined]
    assert b"a workspace named research already" in response.content  # type: ignore[attr-defined]


def test_enter_is_offered_only_when_ready(owner: Client, workspace: Workspace) -> None:
    """F028."""
    url = reverse("workspaces:list", args=[workspace.organization.uuid])

    ready = owner.get(url).content
    Workspace.objects.update(status="INPROGRESS")
    deploying = owner.get(url).content

    assert b"ENTER" in ready
    assert b"ENTER" not in deploying
    assert b"hx-get" in deploying


def test_failed_deployment_can_be_retried(
    owner: Client, workspace: Workspace, cloud: FakeCloud, run_operations: Make
) -> None:
    """F027."""
    cloud.error = CloudError("Disk", "The disk is full. Free some space.")
    _post(owner, workspace)
    run_operations()
    made = Workspace.objects.get(name="Second")
    failed = (made.status, made.status_reason)
    cloud.error = None

    owner.post(reverse("workspaces:retry", args=[made.uuid]))
    run_operations()

    made.refresh_from_db()
    assert failed == ("FAILED", "The disk is full. Free some space.")
    assert made.status == "READY"


def test_workspace_with_a_cluster_is_not_removed(
    owner: Client, workspace: Workspace, cluster: Callable[..., Cluster]
) -> None:
    """F092, F093, F094."""
    cluster("Alpha", state="FAILED")

    response = owner.post(reverse("workspaces:remove", args=[workspace.uuid]), follow=True)

    workspace.refresh_from_db()
    assert workspace.status == "READY"
    assert b"Alpha" in response.content


def test_removal_leaves_nothing(
    owner: Client, workspace: Workspace, cloud: FakeCloud, run_operations: Make
) -> None:
    _post(owner, workspace)
    run_operations()
    made = Workspace.objects.get(name="Second")

    owner.post(reverse("workspaces:remove", args=[made.uuid]))
    run_operations()

    made.refresh_from_db()
    assert made.status == "TERMINATED"
    assert made.uuid not in cloud.workspaces
    assert not made.cloud_resources.open().exists()


def test_used_cloud_configuration_is_not_removed(owner: Client, workspace: Workspace) -> None:
    """F021."""
    configuration = workspace.cloud_configuration
    url = reverse("clouds:remove", args=[workspace.organization.uuid, configuration.uuid])

    response = owner.post(url, follow=True)

    assert CloudConfiguration.objects.filter(pk=configuration.pk).exists()
    assert b"workspaces are tied to it" in response.content


def test_list_asks_the_same_number_of_queries_for_many(
    owner: Client,
    workspace: Workspace,
    django_assert_max_num_queries: Callable[..., object],
) -> None:
    for number in range(20):
        Workspace.objects.create(
            organization=workspace.organization,
            cloud_configuration=workspace.cloud_configuration,
            name=f"W{number}",
            region="here",
            status="INPROGRESS",
        )

    with django_assert_max_num_queries(14):  # type: ignore[attr-defined]
        owner.get(reverse("workspaces:list", args=[workspace.organization.uuid]))
