"""Operators read in the admin; what services own can not be written there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from clusters.models import Cluster
from jobs.models import Job
from workspaces.admin import ReadOnlyAdmin
from workspaces.models import Workspace

READ_ONLY = [m for m, a in admin.site._registry.items() if isinstance(a, ReadOnlyAdmin)]


@pytest.fixture
def operator(user: Callable[..., User], signed_in: Callable[[User], Client]) -> Client:
    return signed_in(user("ops@example.org", is_staff=True, is_superuser=True))


@pytest.mark.parametrize("model", READ_ONLY, ids=lambda m: m._meta.label)
def test_list_opens_and_adding_is_refused(operator: Client, model: Any) -> None:
    base = f"admin:{model._meta.app_label}_{model._meta.model_name}"

    assert operator.get(reverse(f"{base}_changelist")).status_code == 200
    assert operator.get(reverse(f"{base}_add")).status_code == 403


def test_job_shows_no_variables(
    operator: Client, workspace: Workspace, cluster: Callable[..., Cluster]
) -> None:
    job = Job(
        workspace=workspace, cluster=cluster(), name="J", command="x", created_at=timezone.now()
    )
    job.environment = {"TOKEN": "s3cr3t"}
    job.save()

    page = operator.get(reverse("admin:jobs_job_change", args=[job.pk]))

    assert page.status_code == 200
    assert job.environment_sealed.encode() not in page.content


@pytest.mark.parametrize("name", ["ormq", "schedule", "success", "failure"])
def test_queue_rows_are_not_in_the_admin(operator: Client, name: str) -> None:
    assert operator.get(f"/admin/django_q/{name}/").status_code == 404
