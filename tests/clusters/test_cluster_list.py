"""The list: tabs, search, filters, order, pages; and editing what it shows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from clusters.models import Cluster
from workspaces.models import Operation, Workspace


@pytest.fixture
def person(
    member: Callable[..., User], signed_in: Callable[[User], Client], workspace: Workspace
) -> Client:
    return signed_in(member("MEMBER", workspace))


@pytest.fixture
def shown(person: Client, workspace: Workspace) -> Callable[..., list[str]]:
    """Names of the clusters that the list shows for a query, in order."""

    def look(**query: object) -> list[str]:
        page = person.get(reverse("clusters:list", args=[workspace.uuid]), query)
        assert page.status_code == 200
        return [cluster.name for cluster in page.context["clusters"]]

    return look


@pytest.fixture
def some(cluster: Callable[..., Cluster]) -> None:
    now = timezone.now()
    cluster("Alpha", state="RUNNING", created_at=now - timedelta(days=3), tags={"team": "a"})
    cluster("Beta", state="PAUSED", created_at=now - timedelta(days=2), tags={"team": "b"})
    cluster("For a job", state="RUNNING", is_dedicated=True, created_at=now - timedelta(days=1))
    cluster("Gone", state="TERMINATED", created_at=now)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, ["For a job", "Beta", "Alpha"]),
        ({"tab": "jobs"}, ["For a job"]),
        ({"status": "PAUSED"}, ["Beta"]),
        ({"status": "TERMINATED"}, ["Gone"]),
        ({"q": "alp"}, ["Alpha"]),
        ({"q": "team=b"}, ["Beta"]),
        ({"sort": "name"}, ["Alpha", "Beta", "For a job"]),
        ({"sort": "evil; drop table"}, ["For a job", "Beta", "Alpha"]),
        ({"page": "-3", "size": "nonsense"}, ["For a job", "Beta", "Alpha"]),
        ({"q": "nobody"}, []),
    ],
)
def test_list_is_narrowed_and_ordered(
    some: None, shown: Callable[..., list[str]], query: dict[str, str], names: list[str]
) -> None:
    """V25, G010."""
    assert shown(**query) == names


def test_created_on_is_a_range_of_whole_days(some: None, shown: Callable[..., list[str]]) -> None:
    """V25."""
    day = (timezone.now() - timedelta(days=2)).date()

    assert shown(created_from=day, created_to=day) == ["Beta"]


def test_uuid_is_found(some: None, shown: Callable[..., list[str]]) -> None:
    assert shown(q=Cluster.objects.get(name="Beta").uuid) == ["Beta"]


def test_pages_hold_ten_and_keep_the_filter(
    person: Client, workspace: Workspace, cluster: Callable[..., Cluster]
) -> None:
    """V25."""
    for number in range(12):
        cluster(f"C{number:02}", state="RUNNING")
    url = reverse("clusters:list", args=[workspace.uuid])

    first = person.get(url, {"sort": "name", "q": "C"})
    second = person.get(url, {"sort": "name", "q": "C", "page": 2})

    assert len(first.context["clusters"]) == 10
    assert "?sort=name&amp;q=C&amp;page=2" in first.content.decode()
    assert [c.name for c in second.context["clusters"]] == ["C10", "C11"]


def test_number_of_queries_does_not_grow(
    person: Client, workspace: Workspace, cluster: Callable[..., Cluster]
) -> None:
    url = reverse("clusters:list", args=[workspace.uuid])
    counts = []
    for size in (2, 40):
        while Cluster.objects.count() < size:
            cluster(f"C{Cluster.objects.count()}", state="RUNNING")
        person.get(url)
        with CaptureQueriesContext(connection) as queries:
            person.get(url, {"size": 50})
        counts.append(len(queries))

    assert counts[0] == counts[1]


def _edit(**changes: object) -> dict[str, object]:
    return {
        "name": "Alpha",
        "node_count": 2,
        "auto_pause_unit": "never",
        "tags": "team=b",
        "description": "For the team",
        **changes,
    }


def test_edit_changes_what_may_change_while_running(
    person: Client, workspace: Workspace, cluster: Callable[..., Cluster]
) -> None:
    """G006."""
    made = cluster("Alpha", state="RUNNING")
    url = reverse("clusters:edit", args=[workspace.uuid, made.uuid])

    response = person.post(url, _edit(name="Omega", instance_type="c5.4xlarge"))

    made.refresh_from_db()
    assert response.status_code == 302
    assert (made.name, made.tags, made.description) == ("Omega", {"team": "b"}, "For the team")
    assert made.instance_type == "c5.large"
    assert not Operation.objects.exists()


def test_edit_of_the_number_scales(
    person: Client, workspace: Workspace, cluster: Callable[..., Cluster]
) -> None:
    """G006."""
    made = cluster("Alpha", state="RUNNING")

    person.post(reverse("clusters:edit", args=[workspace.uuid, made.uuid]), _edit(node_count=3))

    made.refresh_from_db()
    assert (made.state, made.node_count, made.scaled_from) == ("INITIALIZING", 3, 2)
    assert Operation.objects.get().kind == "cluster.scale"


def test_stopped_cluster_changes_its_machines(
    person: Client, workspace: Workspace, cluster: Callable[..., Cluster]
) -> None:
    """G006."""
    made = cluster("Alpha", state="STOPPED")
    changes = _edit(instance_type="c5.4xlarge", bodo_version="2026.8", node_count=5)

    person.post(reverse("clusters:edit", args=[workspace.uuid, made.uuid]), changes)

    made.refresh_from_db()
    assert (made.instance_type, made.cores_per_node, made.node_count) == ("c5.4xlarge", 8, 5)
    assert made.bodo_version == "2026.8"


def test_refused_scale_changes_nothing_at_all(
    person: Client, workspace: Workspace, cluster: Callable[..., Cluster]
) -> None:
    made = cluster("Alpha", state="RUNNING")
    url = reverse("clusters:edit", args=[workspace.uuid, made.uuid])

    response = person.post(url, _edit(name="Omega", node_count=100))

    made.refresh_from_db()
    assert response.status_code == 422
    assert b"Only 8 nodes can be had here." in response.content
    assert made.name == "Alpha"
