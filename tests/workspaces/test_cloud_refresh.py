from __future__ import annotations

import pytest
from django_q.models import OrmQ

from tests.fake_cloud import FakeCloud
from workspaces.models import CloudConfiguration, Organization, Workspace
from workspaces.tasks import refresh_cloud, refresh_clouds


def test_configurations_that_say_the_same_are_refreshed_once(workspace: Workspace) -> None:
    for number in range(5):
        CloudConfiguration.objects.create(
            organization=Organization.objects.create(name=f"O{number}"),
            name="Here",
            provider="local",
        )

    refresh_clouds()

    assert OrmQ.objects.count() == 1


def test_removed_configuration_is_passed_over(
    workspace: Workspace, cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    monkeypatch.setattr(cloud, "refresh", lambda: calls.append("refreshed"))

    refresh_cloud(workspace.cloud_configuration.pk)
    refresh_cloud(-1)

    assert calls == ["refreshed"]
