"""Jobs: submitted, run on a free or a dedicated cluster, cancelled, and how each end is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from clusters.leases import lease_take
from clusters.models import Cluster, ClusterLease, UsageInterval
from clusters.services import cluster_remove
from jobs.models import Job
from jobs.services import job_cancel
from tests.fake_cloud import FakeCloud
from workspaces.clouds.commands import CommandState, CommandStatus, LogChunk
from workspaces.models import Operation, Workspace
from workspaces.operations import Actor
from workspaces.operations.runner import run_step

Make = Callable[..., object]
RUNNING = CommandStatus(CommandState.RUNNING, started_at=1_700_000_000.0)


def _post(client: Client, workspace: Workspace, **changes: object) -> object:
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
    return client.post(reverse("jobs:create", args=[workspace.uuid]), data)


def test_job_on_a_free_cluster_ends_finished(
    person: Client, workspace: Workspace, free: Cluster, cloud: FakeCloud, run_operations: Make
) -> None:
    """F157, F161, F163, F173, F176."""
    response = _post(person, workspace, cluster=free.pk)
    job = Job.objects.get()
    new = job.status

    run_operations()

    job.refresh_from_db()
    assert response.status_code == 302  # type: ignore[attr-defined]
    assert new == "NEW"
    assert job.status == "FINISHED"
    assert job.exit_code == 0
    assert job.source_commit == "c0ffee"
    assert cloud.commands[job.uuid].argv == ("ex.py", "1")
    assert not ClusterLease.objects.exists()


def test_job_is_inprogress_while_its_command_runs(
    person: Client, workspace: Workspace, free: Cluster, cloud: FakeCloud, run_operations: Make
) -> None:
    """F175."""
    cloud.command_states = [RUNNING]
    _post(person, workspace, cluster=free.pk)

    run_operations(steps=1)

    assert Job.objects.get().status == "INPROGRESS"
    assert not Cluster.objects.free(timezone.now()).exists()


def test_nonzero_exit_is_failed_with_its_code(
    person: Client, workspace: Workspace, free: Cluster, cloud: FakeCloud, run_operations: Make
) -> None:
    """F176."""
    ended = CommandStatus(
        CommandState.EXITED, exit_code=3, reason="NonZeroExitCode", message="It ended with 3."
    )
    cloud.command_states = [RUNNING, ended]
    _post(person, workspace, cluster=free.pk)

    run_operations()

    job = Job.objects.get()
    assert (job.status, job.reason, job.message) == (
        "FAILED",
        "NonZeroExitCode",
        "It ended with 3.",
    )
    assert not ClusterLease.objects.exists()


def test_dedicated_cluster_is_made_used_and_removed(
    person: Client, workspace: Workspace, cloud: FakeCloud, run_operations: Make
) -> None:
    """F158, F159, F174, F178."""
    _post(
        person,
        workspace,
        is_new_cluster="on",
        instance_type="c5.large",
        node_count=2,
        bodo_version="2026.10",
    )
    cluster = Cluster.objects.get()
    page = person.get(reverse("clusters:list", args=[workspace.uuid])).content

    run_operations(steps=200)

    job, cluster = Job.objects.get(), Cluster.objects.get(pk=cluster.pk)
    assert cluster.is_dedicated
    assert b"Nightly" in page
    assert job.status == "FINISHED"
    assert cluster.state == "TERMINATED"
    assert cloud.clusters == set()
    assert UsageInterval.objects.get().ended_at is not None


@pytest.mark.parametrize("end", ["fails", "is cancelled"])
def test_dedicated_cluster_is_removed_on_any_end(
    person: Client, workspace: Workspace, cloud: FakeCloud, run_operations: Make, end: str
) -> None:
    """F159."""
    if end == "fails":
        cloud.command_states = [
            CommandStatus(CommandState.EXITED, exit_code=1, reason="NonZeroExitCode")
        ]
    _post(
        person,
        workspace,
        is_new_cluster="on",
        instance_type="c5.large",
        node_count=1,
        bodo_version="2026.10",
    )
    if end == "is cancelled":
        person.post(reverse("jobs:cancel", args=[workspace.uuid, Job.objects.get().uuid]))

    run_operations(steps=200)

    assert Job.objects.get().status == ("FAILED" if end == "fails" else "CANCELLED")
    assert Cluster.objects.get().state == "TERMINATED"


def test_cancel_ends_the_processes_first(
    person: Client, workspace: Workspace, free: Cluster, cloud: FakeCloud, run_operations: Make
) -> None:
    cloud.command_states = [RUNNING]
    _post(person, workspace, cluster=free.pk)
    run_operations(steps=1)
    job = Job.objects.get()

    person.post(reverse("jobs:cancel", args=[workspace.uuid, job.uuid]))
    run_operations()

    job.refresh_from_db()
    assert job.status == "CANCELLED"
    assert job.uuid not in cloud.commands
    assert not ClusterLease.objects.exists()


def test_log_of_a_job_that_never_ran_is_not_followed_for_ever(
    person: Client,
    workspace: Workspace,
    free: Cluster,
    run_operations: Make,
    cloud: FakeCloud,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nothing = LogChunk((), 0, 0, is_complete=False)
    monkeypatch.setattr(cloud, "read_log", lambda *_, **__: nothing)
    _post(person, workspace, cluster=free.pk)
    log = reverse("jobs:log", args=[workspace.uuid, Job.objects.get().uuid])
    before = person.get(log).content

    job_cancel(job=Job.objects.get(), actor=Actor())
    run_operations()

    assert b"End of the log" not in before
    assert b"End of the log" in person.get(log).content


def test_cluster_taken_meanwhile_fails_the_job_with_a_next_step(
    person: Client, workspace: Workspace, free: Cluster, run_operations: Make
) -> None:
    """F157: checked again at the start."""
    _post(person, workspace, cluster=free.pk)
    now = timezone.now()
    lease_take(
        cluster=free,
        holder_kind="notebook",
        holder_uuid=uuid4(),
        now=now,
        expires_at=now + timedelta(hours=1),
    )

    run_operations()

    job = Job.objects.get()
    assert job.reason == "ClusterBusy"
    assert "Choose another one" in job.message


def test_cluster_removed_under_a_job_is_node_lost(
    person: Client, workspace: Workspace, free: Cluster, cloud: FakeCloud, run_operations: Make
) -> None:
    lost = CommandStatus(CommandState.EXITED, exit_code=9, reason="NonZeroExitCode")
    cloud.command_states = [RUNNING, lost]
    _post(person, workspace, cluster=free.pk)
    run_operations(steps=1)

    cluster_remove(cluster=free, actor=Actor())
    run_operations()

    assert Job.objects.get().reason == "NodeLost"


def test_double_submit_makes_one_job(person: Client, workspace: Workspace, free: Cluster) -> None:
    uuid = uuid4()

    answers = [_post(person, workspace, uuid=uuid, cluster=free.pk).status_code for _ in range(2)]  # type: ignore[attr-defined]

    assert answers == [302, 302]
    assert Job.objects.count() == 1
    assert Operation.objects.filter(kind="job.run").count() == 1


def test_submit_repeated_while_the_job_holds_its_cluster_is_accepted(
    person: Client, workspace: Workspace, free: Cluster, cloud: FakeCloud
) -> None:
    """The answer was lost; the cluster is not free any more, because the first submit has it."""
    uuid = uuid4()
    cloud.command_states = [RUNNING]
    _post(person, workspace, uuid=uuid, cluster=free.pk)
    run_step(Operation.objects.get().pk)

    answer = _post(person, workspace, uuid=uuid, cluster=free.pk)

    assert free.leases.count() == 1
    assert answer.status_code == 302  # type: ignore[attr-defined]
    assert Job.objects.count() == 1


def test_double_submit_makes_one_dedicated_cluster(person: Client, workspace: Workspace) -> None:
    uuid = uuid4()
    new = {
        "is_new_cluster": "on",
        "instance_type": "c5.large",
        "node_count": 2,
        "bodo_version": "2026.10",
    }

    answers = [_post(person, workspace, uuid=uuid, **new).status_code for _ in range(2)]  # type: ignore[attr-defined]

    assert answers == [302, 302]
    assert Cluster.objects.count() == 1


def test_variables_reach_the_command_and_not_the_database(
    person: Client, workspace: Workspace, free: Cluster, cloud: FakeCloud, run_operations: Make
) -> None:
    """F171."""
    variables = {
        "form-TOTAL_FORMS": 2,
        "form-0-key": "API_TOKEN",
        "form-0-value": "s3cr3t value",
        "form-1-key": "",
        "form-1-value": "",
    }

    _post(person, workspace, cluster=free.pk, **variables)
    run_operations()

    job = Job.objects.get()
    page = person.get(reverse("jobs:detail", args=[workspace.uuid, job.uuid])).content
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM jobs_job")
        stored = repr(cursor.fetchall())
    assert cloud.commands[job.uuid].environment == {"API_TOKEN": "s3cr3t value"}
    assert "s3cr3t" not in stored
    assert b"s3cr3t" not in page
    assert b"API_TOKEN" in page
    assert "s3cr3t" not in repr(cloud.commands[job.uuid])


def test_add_more_without_javascript_keeps_what_was_typed(
    person: Client, workspace: Workspace, free: Cluster
) -> None:
    """F171."""
    response = _post(
        person,
        workspace,
        cluster=free.pk,
        add_variable="1",
        **{"form-0-key": "A", "form-0-value": "b"},
    )

    page = response.content.decode()  # type: ignore[attr-defined]
    assert response.status_code == 200  # type: ignore[attr-defined]
    assert 'name="form-1-key"' in page
    assert 'value="ex.py 1"' in page
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("command", "ex.py 'open", "A quote is opened and not closed."),
        ("command", "mpiexec -n 4 python ex.py", "Leave out mpiexec"),
        ("command", "   ", "This field is required."),
        ("source_url", "file:///etc", "Enter an address that begins with"),
        ("source_url", "--upload-pack=evil", "Enter an address that begins with"),
        ("source_url", "https://me:pw@git.example.org/x", "Leave user name and password out"),
        ("timeout_minutes", "0", "greater than or equal to 1"),
        ("form-0-key", "LD_PRELOAD", "is set by the platform"),
        ("form-0-key", "1ST", "Letters, digits and _ only"),
        ("cluster", "", "Select a cluster, or NEW"),
    ],
)
def test_bad_input_is_told_next_to_its_field(
    person: Client, workspace: Workspace, free: Cluster, field: str, value: str, sentence: str
) -> None:
    response = _post(person, workspace, **{"cluster": free.pk, "form-0-value": "x", field: value})

    assert response.status_code == 422  # type: ignore[attr-defined]
    assert sentence in response.content.decode()  # type: ignore[attr-defined]
    assert not Job.objects.exists()


def test_only_free_clusters_are_offered(
    person: Client, workspace: Workspace, free: Cluster, cluster: Callable[..., Cluster]
) -> None:
    """F157."""
    busy = cluster("Busy", state="RUNNING")
    cluster("Dedicated", state="RUNNING", is_dedicated=True)
    cluster("Starting", state="INPROGRESS")
    now = timezone.now()
    lease_take(
        cluster=busy,
        holder_kind="job",
        holder_uuid=uuid4(),
        now=now,
        expires_at=now + timedelta(hours=1),
    )

    page = person.get(reverse("jobs:create", args=[workspace.uuid])).content.decode()

    offered = [name for name in ("Alpha", "Busy", "Dedicated", "Starting") if f">{name}</" in page]
    assert offered == ["Alpha"]


def test_git_ending_is_taken_off_with_a_notice(
    person: Client, workspace: Workspace, free: Cluster
) -> None:
    """F167."""
    response = _post(
        person, workspace, cluster=free.pk, source_url="https://git.example.org/team/x.git"
    )
    page = person.get(response.url).content  # type: ignore[attr-defined]

    assert Job.objects.get().source_url == "https://git.example.org/team/x"
    assert b"should not end in .git" in page
