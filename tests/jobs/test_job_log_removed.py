"""Logs of jobs that ended long ago go by a rule, and the pages say so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from jobs.models import Job
from jobs.tasks import remove_old_logs
from tests.fake_cloud import FakeCloud
from workspaces.clouds.base import CloudError
from workspaces.models import Workspace


@pytest.fixture
def ended(submit: Callable[..., Job], run_operations: Callable[..., int]) -> Callable[[int], Job]:
    """A job that ended so many days ago."""

    def make(days: int) -> Job:
        job = submit()
        run_operations()
        Job.objects.filter(pk=job.pk).update(finished_at=timezone.now() - timedelta(days=days))
        return Job.objects.get(pk=job.pk)

    return make


def test_only_logs_older_than_the_rule_go(
    ended: Callable[[int], Job], cloud: FakeCloud, settings: Any
) -> None:
    settings.JOB_LOG_DAYS = 30
    old, young = ended(31), ended(29)

    removed = remove_old_logs()

    old.refresh_from_db()
    young.refresh_from_db()
    assert (removed, cloud.removed_logs) == (1, [old.uuid])
    assert old.log_removed_at is not None
    assert young.log_removed_at is None


def test_once_is_enough(ended: Callable[[int], Job], settings: Any) -> None:
    settings.JOB_LOG_DAYS = 30
    ended(31)

    assert [remove_old_logs(), remove_old_logs()] == [1, 0]


def test_zero_days_is_for_ever(ended: Callable[[int], Job], settings: Any) -> None:
    settings.JOB_LOG_DAYS = 0
    ended(5000)

    assert remove_old_logs() == 0


def test_log_of_each_attempt_goes(
    ended: Callable[[int], Job], cloud: FakeCloud, settings: Any
) -> None:
    settings.JOB_LOG_DAYS = 30
    job = ended(31)
    Job.objects.update(attempt=3)

    remove_old_logs()

    assert cloud.removed_logs == [job.command_uuid_of(number) for number in (1, 2, 3)]


def test_job_that_has_not_ended_keeps_its_log(submit: Callable[..., Job], settings: Any) -> None:
    settings.JOB_LOG_DAYS = 30
    submit()
    Job.objects.update(finished_at=timezone.now() - timedelta(days=31), state="RUNNING")

    assert remove_old_logs() == 0


def test_one_cloud_that_refuses_does_not_keep_the_others(
    ended: Callable[[int], Job],
    cloud: FakeCloud,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.JOB_LOG_DAYS = 30
    stuck, other = ended(40), ended(31)

    def refuse(command: UUID) -> None:
        if command == stuck.uuid:
            raise CloudError("StillRunning", "This command has not ended.")

    monkeypatch.setattr(cloud, "remove_log", refuse)

    assert remove_old_logs() == 1
    assert list(Job.objects.filter(log_removed_at=None)) == [stuck]
    assert other.pk in Job.objects.exclude(log_removed_at=None).values_list("pk", flat=True)


@pytest.mark.parametrize("headers", [{}, {"HTTP_HX_REQUEST": "true"}], ids=["page", "part"])
def test_pages_say_that_the_log_was_removed(
    ended: Callable[[int], Job],
    person: Client,
    workspace: Workspace,
    settings: Any,
    headers: dict[str, Any],
) -> None:
    settings.JOB_LOG_DAYS = 30
    job = ended(31)
    remove_old_logs()
    job.refresh_from_db()
    address = [workspace.uuid, job.uuid]

    details = person.get(reverse("jobs:detail", args=address)).content.decode()
    log = person.get(reverse("jobs:log", args=address), **headers)
    download = person.get(reverse("jobs:log_download", args=address))

    assert "31 days after its end, by the operator&#x27;s rule for old logs." in details
    assert "SHOW LOGS" not in details
    assert log.status_code == 200
    assert "The log of this job was removed on" in log.content.decode()
    assert "Following" not in log.content.decode()
    assert (download.status_code, download.content.decode()) == (410, job.log_removal_words)
