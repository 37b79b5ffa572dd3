from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from clusters.evidence import Sign, last_use, signs_of_cloud, signs_of_notebook
from clusters.idle import next_automatic_act
from clusters.models import Cluster, ClusterEvidence, NotebookAttachment
from clusters.services import evidence_record, idle_act
from clusters.tasks import run_idle_timers, watch_use
from tests.fake_cloud import FakeCloud
from workspaces.clouds.base import CloudError, Signal
from workspaces.models import Notebook, Workspace
from workspaces.notebooks.activity import Kernel, ServerActivity
from workspaces.secrets import seal

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
CLUSTER, OTHER = uuid4(), uuid4()


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def kernel(cluster: object, *, is_busy: bool = False, seconds_ago: float = 600) -> Kernel:
    return Kernel(f"bodo-{cluster}", is_busy, ago(seconds_ago))


@pytest.mark.parametrize(
    ("kernels", "is_busy", "detail"),
    [
        ([], False, "Lab has no kernel on it"),
        ([kernel(CLUSTER)], False, "The kernel of Lab rests"),
        ([kernel(CLUSTER, is_busy=True)], True, "The kernel of Lab computes"),
        (
            [kernel(CLUSTER), kernel(CLUSTER, is_busy=True)],
            True,
            "1 of 2 kernels of Lab computes",
        ),
        ([kernel(CLUSTER), kernel(CLUSTER)], False, "None of 2 kernels of Lab compute"),
        ([kernel(OTHER, is_busy=True)], False, "Lab has no kernel on it"),
    ],
)
def test_kernels_count_for_their_own_cluster_alone(
    kernels: list[Kernel], is_busy: bool, detail: str
) -> None:
    """F108: use is what kernels on this cluster do."""
    activity = ServerActivity(tuple(kernels), ())

    sign = signs_of_notebook(uuid4(), "Lab", [CLUSTER], activity)[CLUSTER]

    assert (sign.is_busy, sign.detail) == (is_busy, detail)


def test_a_server_that_does_not_answer_may_compute() -> None:
    sign = signs_of_notebook(uuid4(), "Lab", [CLUSTER], None)[CLUSTER]

    assert sign.is_busy is None
    assert last_use([sign], NOW) == NOW


@pytest.mark.parametrize(
    ("signs", "used"),
    [
        ([], None),
        ([Sign("engines", "", is_busy=False, detail="")], None),
        ([Sign("engines", "", is_busy=True, detail="")], NOW),
        ([Sign("engines", "", is_busy=None, detail="")], NOW),
        ([Sign("kernel", "a", is_busy=False, detail="", at=ago(90))], ago(90)),
        # Short cells between two looks are seen by the kernel's own time.
        (
            [
                Sign("kernel", "a", is_busy=False, detail="", at=ago(90)),
                Sign("kernel", "b", is_busy=False, detail="", at=ago(30)),
                Sign("engines", "", is_busy=False, detail=""),
            ],
            ago(30),
        ),
        # A clock that was set back: nothing was used in the future.
        ([Sign("kernel", "a", is_busy=False, detail="", at=ago(-3600))], NOW),
    ],
)
def test_newest_use_decides(signs: list[Sign], used: datetime | None) -> None:
    assert last_use(signs, NOW) == used


@dataclass
class Simulation:
    """One cluster under a controller that looks each 10 s and asks its timer each 20 s."""

    uses: list[tuple[int, int]]
    minutes: int

    def is_busy(self, second: int) -> bool:
        return any(begin <= second < end for begin, end in self.uses)

    def paused_at(self, limit: int) -> int | None:
        cluster = Cluster(
            state=Cluster.State.RUNNING, auto_pause_minutes=self.minutes, last_activity_at=NOW
        )
        for second in range(0, limit, 10):
            now = NOW + timedelta(seconds=second)
            self._look(cluster, second, now)
            act = next_automatic_act(cluster, is_held=False)
            if second % 20 == 0 and act is not None and act.at <= now:
                return second
        return None

    def _look(self, cluster: Cluster, second: int, now: datetime) -> None:
        ended = max((end for _, end in self.uses if end <= second), default=None)
        at = NOW + timedelta(seconds=ended) if ended is not None else None
        sign = Sign("kernel", "a", self.is_busy(second), "", at)
        used = last_use([sign], now)
        if used and cluster.last_activity_at and used > cluster.last_activity_at:
            cluster.last_activity_at = used


uses = st.lists(
    st.tuples(st.integers(0, 3000), st.integers(1, 900)).map(lambda pair: (pair[0], sum(pair))),
    max_size=6,
)


@given(uses=uses, minutes=st.integers(1, 20))
def test_no_busy_cluster_is_paused_and_no_idle_one_kept(
    uses: list[tuple[int, int]], minutes: int
) -> None:
    """F105, F108: never while it is used, and within a minute of its timer when it is not."""
    simulation = Simulation(uses, minutes)

    paused = simulation.paused_at(limit=3900 + minutes * 60 + 120)

    assert paused is not None
    assert not simulation.is_busy(paused)
    before = [min(end, paused) for begin, end in uses if begin <= paused]
    idle_since = max([0, *before])
    assert minutes * 60 <= paused - idle_since <= minutes * 60 + 60


@pytest.fixture
def idle(cluster: Callable[..., Cluster], cloud: FakeCloud) -> Cluster:
    """RUNNING, its timer over."""
    made = cluster(
        state=Cluster.State.RUNNING,
        auto_pause_minutes=5,
        last_activity_at=timezone.now() - timedelta(minutes=6),
    )
    cloud.clusters.add(made.uuid)
    return made


@pytest.mark.parametrize(
    ("name", "is_busy", "verb"),
    [
        ("engines", True, None),
        ("mpiexec", True, None),
        ("terminal", True, None),
        ("processor", True, None),
        ("engines", None, None),
        ("engines", False, "pause"),
    ],
)
def test_last_look_decides_before_the_timer_acts(
    idle: Cluster, cloud: FakeCloud, name: str, is_busy: bool | None, verb: str | None
) -> None:
    """F108: work that began after the last poll is not cut off."""
    cloud.signals[idle.uuid] = [Signal(name, is_busy, "Seen.")]

    assert idle_act(cluster=idle, now=timezone.now()) == verb


def test_use_is_written_down_with_its_last_time(idle: Cluster, cloud: FakeCloud) -> None:
    cloud.signals[idle.uuid] = [Signal("mpiexec", True, "2 processes run.")]
    watch_use()
    busy = ClusterEvidence.objects.get(cluster=idle)
    cloud.signals[idle.uuid] = [Signal("mpiexec", False, "Nothing runs.")]
    watch_use()

    row = ClusterEvidence.objects.get(cluster=idle)
    assert (busy.is_busy, row.is_busy, row.detail) == (True, False, "Nothing runs.")
    assert row.last_busy_at == busy.seen_at
    assert row.seen_at > busy.seen_at
    idle.refresh_from_db()
    assert idle.last_activity_at == busy.seen_at


def test_signs_that_are_gone_are_forgotten(idle: Cluster) -> None:
    now = timezone.now()
    first, second = signs_of_cloud([Signal("a", False, "x"), Signal("b", False, "y")])
    evidence_record(signs={idle.pk: [first, second]}, now=now)

    evidence_record(signs={idle.pk: [second]}, now=now)

    assert [row.name for row in idle.evidence.all()] == ["b"]


def test_unanswered_look_is_reported_once(idle: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    for is_busy in (False, None, None):
        sign = Sign("engines", "", is_busy, "The engines told something.")
        evidence_record(signs={idle.pk: [sign]}, now=timezone.now())

    assert len(caplog.records) == 1


def test_provider_that_can_not_be_asked_makes_nobody_idle(idle: Cluster, cloud: FakeCloud) -> None:
    cloud.error = CloudError("Unreachable", "The provider does not answer.")

    run_idle_timers()

    idle.refresh_from_db()
    assert idle.state == "RUNNING"
    sign = idle.evidence.get()
    assert (sign.is_busy, sign.detail) == (None, "The provider does not answer.")


def test_notebook_whose_files_can_not_be_changed_keeps_nobody_from_being_looked_at(
    idle: Cluster,
    member: Callable[..., Any],
    workspace: Workspace,
    notebook: Callable[..., Notebook],
    cloud: FakeCloud,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its attachment is over, and the provider can not end it now."""
    made, now = notebook(member("MEMBER", workspace), state="RUNNING"), timezone.now()
    NotebookAttachment.objects.create(
        cluster=idle, notebook=made, attached_at=now, last_kernel_at=now - timedelta(hours=1)
    )
    monkeypatch.setattr("workspaces.services.notebook_use.look", lambda *_: ServerActivity((), ()))
    monkeypatch.setattr(cloud, "detach_notebook", _refuse)
    cloud.signals[idle.uuid] = [Signal("mpiexec", True, "mpiexec runs on the nodes.")]

    watch_use()

    assert idle.attachments.exists()
    assert idle.evidence.filter(name="mpiexec", is_busy=True).exists()


def _refuse(*_: object) -> None:
    raise CloudError("NotebookFiles", "A file can not be removed.", retryable=True)


def test_attached_server_that_is_dead_keeps_the_cluster(
    idle: Cluster, workspace: Workspace, member: Callable[..., Any], cloud: FakeCloud
) -> None:
    """Until it is found FAILED, what it does can not be known."""
    uuid, now = uuid4(), timezone.now()
    notebook = Notebook(uuid=uuid, workspace=workspace, owner=member("MEMBER", workspace))
    notebook.sealed_token = seal("token", context=notebook.token_context)
    notebook.take_shape_of(cloud.instance_types("here")[0])
    notebook.name, notebook.created_at = "Lab", now
    notebook.state, notebook.address = Notebook.State.RUNNING, "http://127.0.0.1:9"
    notebook.save()
    NotebookAttachment.objects.create(
        cluster=idle, notebook=notebook, attached_at=now, last_kernel_at=now
    )

    assert idle_act(cluster=idle, now=now) is None
    assert idle.evidence.get().detail == "Lab does not answer"

    Notebook.objects.update(state=Notebook.State.FAILED)
    Cluster.objects.update(last_activity_at=now - timedelta(minutes=6))
    idle.refresh_from_db()
    assert idle_act(cluster=idle, now=now) == "pause"


def test_page_tells_why(
    idle: Cluster,
    workspace: Workspace,
    member: Callable[..., Any],
    signed_in: Callable[..., Any],
    cloud: FakeCloud,
) -> None:
    """Each sign with its last time, and who snoozed."""
    person = member("MEMBER", workspace)
    cloud.signals[idle.uuid] = [
        Signal("mpiexec", False, "No process runs on its nodes."),
        Signal("engines", None, "The engines do not answer."),
    ]
    watch_use()
    client = signed_in(person)
    client.post(f"/w/{workspace.uuid}/clusters/{idle.uuid}/snooze/")

    page = client.get(f"/w/{workspace.uuid}/clusters/{idle.uuid}/").content.decode()

    assert "Why it is going to pause" in page
    assert "No process runs on its nodes." in page
    assert "not known</span> The engines do not answer." in page
    assert f"by {person}." in page
