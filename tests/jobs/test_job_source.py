"""Where a job's program comes from: references, credentials, workspace files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from clusters.models import Cluster
from jobs.models import Job
from jobs.reasons import next_step
from tests.fake_cloud import FakeCloud
from workspaces.clouds.commands import CommandState, CommandStatus, GitSource, WorkspaceSource
from workspaces.models import Workspace

PRIVATE = {"reference": "v1.2", "username": "ada", "password": "ghp_canary1"}


def _page(person: Client, workspace: Workspace, job: Job) -> str:
    return person.get(reverse("jobs:detail", args=[workspace.uuid, job.uuid])).content.decode()


def test_reference_and_credentials_reach_the_driver_only(
    submit: Callable[..., Job],
    person: Client,
    workspace: Workspace,
    cloud: FakeCloud,
    run_operations: Callable[..., int],
) -> None:
    """F169, F170."""
    job = submit(**PRIVATE)
    run_operations()

    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM jobs_job")
        stored = repr(cursor.fetchall())
    url = "https://git.example.org/team/examples"
    assert cloud.commands[job.uuid].source == GitSource(url, "v1.2", "ada", "ghp_canary1")
    assert "ghp_canary1" not in stored
    assert "ghp_canary1" not in _page(person, workspace, job)
    assert "ghp_canary1" not in repr(cloud.commands)


def test_password_is_not_rendered_back_into_a_form_with_an_error(
    post: Callable[..., Any], free: Cluster
) -> None:
    """F169."""
    response = post(cluster=free.pk, **{**PRIVATE, "reference": "--upload-pack=evil"})

    assert response.status_code == 422
    assert "That can not be the name of a branch, tag or commit." in response.content.decode()
    assert b"ghp_canary1" not in response.content


@pytest.mark.parametrize("reference", ["a b", "-x", "main:other", "x^", "@{1}"])
def test_reference_that_git_could_misread_is_refused(
    post: Callable[..., Any], free: Cluster, reference: str
) -> None:
    assert post(cluster=free.pk, reference=reference).status_code == 422


@pytest.mark.parametrize(
    ("url", "page"),
    [
        ("https://github.com/team/x", "https://github.com/team/x/commit/c0ffee"),
        ("https://bitbucket.org/team/x", "https://bitbucket.org/team/x/commits/c0ffee"),
    ],
)
def test_resolved_commit_is_kept_and_linked(
    submit: Callable[..., Job],
    person: Client,
    workspace: Workspace,
    run_operations: Callable[..., int],
    url: str,
    page: str,
) -> None:
    """F170."""
    job = submit(source_url=url, reference="main")
    run_operations()

    job.refresh_from_db()
    assert job.source_commit == "c0ffee"
    assert f'href="{page}"' in _page(person, workspace, job)


@pytest.mark.parametrize(
    ("typed", "folder"),
    [
        ("examples/one", "examples/one"),
        ("/shared/examples/", "examples"),
        ("", ""),
        ("./a//b", "a/b"),
    ],
)
def test_workspace_files_as_source(
    submit: Callable[..., Job],
    cloud: FakeCloud,
    run_operations: Callable[..., int],
    typed: str,
    folder: str,
) -> None:
    """K9."""
    job = submit(source_kind="WORKSPACE", source_url="", source_folder=typed)

    run_operations()

    assert cloud.commands[job.uuid].source == WorkspaceSource(folder)


@pytest.mark.parametrize("typed", ["../other", "a/../../b", "/etc", "/sharedx"])
def test_folder_outside_of_the_workspace_is_refused(
    post: Callable[..., Any], free: Cluster, typed: str
) -> None:
    response = post(cluster=free.pk, source_kind="WORKSPACE", source_folder=typed)

    assert response.status_code == 422
    assert "/shared" in response.content.decode()


def test_git_needs_a_path(post: Callable[..., Any], free: Cluster) -> None:
    """F164."""
    response = post(cluster=free.pk, source_url="")

    assert response.status_code == 422
    assert response.context["form"].errors["source_url"] == ["This field is required."]


def test_values_of_secret_variables_are_masked_and_others_are_not(
    submit: Callable[..., Job], cloud: FakeCloud, run_operations: Callable[..., int]
) -> None:
    variables = {
        "form-TOTAL_FORMS": 2,
        "form-0-key": "AWS_SECRET_ACCESS_KEY",
        "form-0-value": "hidden-value",
        "form-1-key": "MODE",
        "form-1-value": "quick",
    }

    job = submit(**variables)
    run_operations()

    assert cloud.commands[job.uuid].secret_values == ("hidden-value",)


@pytest.mark.parametrize(
    ("reason", "exit_code", "words"),
    [
        ("SourceNotFound", None, "Check the path"),
        ("SourceAuth", None, "2FA"),
        ("BadReference", None, "branch or tag"),
        ("NoSuchScript", None, "Check the command"),
        ("NonZeroExitCode", 3, "Read the log"),
        ("NonZeroExitCode", 9, "ran out of memory"),
        ("OutOfMemory", 9, "more memory"),
        ("Timeout", None, "longer timeout"),
        ("NodeLost", None, "another cluster"),
        ("Lost", None, "ask your operator"),
    ],
)
def test_each_reason_is_shown_with_a_next_step(
    submit: Callable[..., Job],
    person: Client,
    workspace: Workspace,
    cloud: FakeCloud,
    run_operations: Callable[..., int],
    reason: str,
    exit_code: int | None,
    words: str,
) -> None:
    """F172, F219, G005."""
    end = CommandStatus(CommandState.EXITED, exit_code=exit_code, reason=reason, message="It was.")
    cloud.command_states = [end]
    job = submit()

    run_operations()

    page = _page(person, workspace, job)
    shown = "WorkerLost" if reason == "Lost" else reason
    assert f"{shown}: It was." in page
    assert words in page


@pytest.mark.parametrize("reason", ["Cancelled", "ClusterBusy", "ClusterFailed", "WorkerLost"])
def test_reasons_of_the_platform_have_a_next_step_too(reason: str) -> None:
    """G005."""
    assert next_step(reason, None)


def test_removal_of_the_dedicated_cluster_is_shown_with_its_receipt(
    post: Callable[..., Any],
    person: Client,
    workspace: Workspace,
    run_operations: Callable[..., int],
) -> None:
    """F159, F178."""
    machines = {"instance_type": "c5.large", "node_count": 1, "bodo_version": "2026.10"}
    post(uuid=uuid4(), is_new_cluster="on", **machines)

    run_operations(steps=200)

    page = _page(person, workspace, Job.objects.get())
    assert "Its removal" in page
    assert "Removed everything; nothing is left" in page
