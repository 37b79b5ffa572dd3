"""Clusters and jobs under any order of requests, crashes and losses, on a cloud in memory.

Each step is one thing a person, a worker or fate may do; after each the books must be right. It
proves the engine and the services, not the drivers.
"""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from clusters.models import Cluster, ClusterLease, UsageInterval
from clusters.services import (
    ClusterRefused,
    cluster_act,
    cluster_create,
    cluster_remove,
    cluster_retry,
    cluster_scale,
)
from clusters.tasks import check_clusters
from jobs.models import Job
from jobs.services import Source, job_cancel, job_create
from tests.fake_cloud import FakeCloud
from workspaces.clouds.base import CloudError, ClusterPhase
from workspaces.clouds.commands import CommandState, CommandStatus
from workspaces.models import Operation, Workspace
from workspaces.operations import Actor, OperationConflict
from workspaces.operations.runner import claim, run_step

REFUSALS = (ClusterRefused, OperationConflict)
PEOPLE = Actor()
KIND = FakeCloud().instance_types("here")[0]
RUNNING_COMMAND = CommandStatus(CommandState.RUNNING, started_at=1_700_000_000.0)
MOST_CLUSTERS = 2  # few, so that requests meet each other
ENDS = [
    CommandStatus(CommandState.EXITED, exit_code=0),
    CommandStatus(CommandState.EXITED, exit_code=3, reason="NonZeroExitCode", message="3."),
    RUNNING_COMMAND,
]


class Platform(RuleBasedStateMachine):
    workspace: Workspace
    cloud: FakeCloud

    def __init__(self) -> None:
        super().__init__()
        self._atomic = transaction.atomic()
        self._atomic.__enter__()
        vars(self.cloud).update(vars(FakeCloud()))

    def teardown(self) -> None:
        try:
            self._settle()
            self.books_are_right()
            self._nothing_is_stuck()
        finally:
            transaction.set_rollback(True)
            self._atomic.__exit__(None, None, None)

    # People ---------------------------------------------------------------------------------------

    @precondition(lambda self: Cluster.objects.live().count() < MOST_CLUSTERS)
    @rule(nodes=st.integers(1, 3))
    def create_cluster(self, nodes: int) -> None:
        cluster_create(
            uuid=uuid4(),
            workspace=self.workspace,
            name=uuid4().hex,
            instance_type=KIND,
            node_count=nodes,
            bodo_version="2026.10",
            actor=PEOPLE,
        )

    @precondition(lambda self: Cluster.objects.live().exists())
    @rule(
        seed=st.integers(0, 10_000),
        verb=st.sampled_from(
            ["pause", "resume", "stop", "start", "restart", "scale", "remove", "retry"]
        ),
    )
    def ask(self, seed: int, verb: str) -> None:
        cluster = self._any(Cluster.objects.live(), seed)
        try:
            if verb == "remove":
                cluster_remove(cluster=cluster, actor=PEOPLE)
            elif verb == "retry":
                cluster_retry(cluster=cluster, actor=PEOPLE)
            elif verb == "scale":
                cluster_scale(cluster=cluster, node_count=1 + seed % 4, actor=PEOPLE)
            else:
                cluster_act(cluster=cluster, verb=verb, actor=PEOPLE)
        except REFUSALS:
            pass

    @precondition(lambda self: Cluster.objects.live().exists())
    @rule(seed=st.integers(0, 10_000))
    def submit_job(self, seed: int) -> None:
        cluster = self._any(Cluster.objects.live(), seed)
        job_create(**self._job(cluster))

    @precondition(lambda self: Job.objects.unsettled().exists())
    @rule(seed=st.integers(0, 10_000))
    def cancel_job(self, seed: int) -> None:
        job_cancel(job=self._any(Job.objects.unsettled(), seed), actor=PEOPLE)

    # Workers and fate -----------------------------------------------------------------------------

    @precondition(lambda self: Operation.objects.unsettled().exists())
    @rule(rounds=st.integers(1, 6))
    def work_goes_well(self, rounds: int) -> None:
        for _ in range(rounds):
            for operation in Operation.objects.unsettled():
                self._make_due(operation)
                run_step(operation.pk)

    @precondition(lambda self: Operation.objects.unsettled().exists())
    @rule(
        seed=st.integers(0, 10_000),
        end=st.sampled_from(ENDS),
        phase=st.sampled_from([ClusterPhase.READY, ClusterPhase.NODES, ClusterPhase.FAILED]),
    )
    def work(self, seed: int, end: CommandStatus, phase: ClusterPhase) -> None:
        """A worker takes any open operation one step further."""
        operation = self._any(Operation.objects.unsettled(), seed)
        self.cloud.cluster_phases = [phase]
        self.cloud.command_states = [end]
        self._make_due(operation)
        run_step(operation.pk)
        self.cloud.cluster_phases, self.cloud.command_states = [], []

    @precondition(lambda self: Operation.objects.unsettled().exists())
    @rule(seed=st.integers(0, 10_000))
    def worker_dies_in_a_step(self, seed: int) -> None:
        operation = self._any(Operation.objects.unsettled(), seed)
        self._make_due(operation)
        claim(operation.pk, now=timezone.now())

    @precondition(lambda self: Operation.objects.unsettled().exists())
    @rule(seed=st.integers(0, 10_000))
    def provider_is_down_for_a_step(self, seed: int) -> None:
        operation = self._any(Operation.objects.unsettled(), seed)
        self.cloud.error = CloudError("Throttled", "Busy.", retryable=True)
        self._make_due(operation)
        run_step(operation.pk)
        self.cloud.error = None

    @precondition(lambda self: Cluster.objects.running().exists())
    @rule(seed=st.integers(0, 10_000))
    def machine_dies(self, seed: int) -> None:
        cluster = self._any(Cluster.objects.running(), seed)
        self.cloud.lost[cluster.uuid] = (timezone.now() - timedelta(seconds=5)).timestamp()
        check_clusters()

    # What must hold at every moment ---------------------------------------------------------------

    @invariant()
    def books_are_right(self) -> None:
        metered = set(UsageInterval.objects.filter(ended_at=None).values_list("cluster", flat=True))
        running = set(Cluster.objects.running().values_list("pk", flat=True))
        assert metered == running
        for cluster in Cluster.objects.all():
            ends = None
            for interval in cluster.usage_intervals.all():
                assert ends is None or interval.started_at >= ends, "intervals overlap"
                ends = interval.ended_at

    @invariant()
    def whatever_moves_has_somebody_who_moves_it(self) -> None:
        open_targets = set(Operation.objects.unsettled().values_list("target_uuid", flat=True))
        for cluster in Cluster.objects.filter(state__in=Cluster.UNSETTLED):
            assert cluster.uuid in open_targets, f"{cluster.state} and nobody works on it"
        for job in Job.objects.unsettled():
            assert job.uuid in open_targets

    @invariant()
    def ended_jobs_hold_nothing(self) -> None:
        ended = Job.objects.filter(state__in=Job.FINAL).values_list("uuid", flat=True)
        open_jobs = Operation.objects.unsettled().filter(target_uuid__in=ended)
        held = ClusterLease.objects.filter(holder_uuid__in=ended)
        assert set(held.values_list("holder_uuid", flat=True)) <= set(
            open_jobs.values_list("target_uuid", flat=True)
        )

    def _nothing_is_stuck(self) -> None:
        assert not Operation.objects.unsettled().exists()
        assert not ClusterLease.objects.exists()
        gone = Cluster.objects.filter(state__in=("TERMINATED", "STOPPED", "FAILED"))
        left = self.cloud.clusters & set(gone.values_list("uuid", flat=True))
        assert not left, f"machines of clusters that are gone: {left}"

    # Tools ----------------------------------------------------------------------------------------

    def _any(self, rows: Any, seed: int) -> Any:
        return random.Random(seed).choice(list(rows.order_by("pk")))

    def _make_due(self, operation: Operation) -> None:
        """The clock runs; leases of workers that died have run out."""
        now = timezone.now()
        Operation.objects.filter(target_uuid=operation.target_uuid).update(lease_expires_at=None)
        Operation.objects.filter(pk=operation.pk).update(next_step_at=now)

    def _settle(self) -> None:
        for _ in range(500):
            operation = Operation.objects.unsettled().order_by("?").first()
            if operation is None:
                return
            self._make_due(operation)
            run_step(operation.pk)
        raise AssertionError("operations never end")

    def _job(self, cluster: Cluster) -> dict[str, Any]:
        uuid: UUID = uuid4()
        return {
            "uuid": uuid,
            "workspace": self.workspace,
            "name": "J",
            "cluster": cluster,
            "command": "ex.py",
            "source": Source(url="https://git.example.org/x"),
            "environment": {},
            "timeout_minutes": 5,
            "actor": PEOPLE,
        }


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("examples", "steps"),
    [(8, 30), pytest.param(45, 50, marks=pytest.mark.soak)],
    ids=["a few hundred steps", "thousands of steps"],
)
def test_any_order_of_requests_crashes_and_losses(
    workspace: Workspace, cloud: FakeCloud, examples: int, steps: int
) -> None:
    Platform.workspace, Platform.cloud = workspace, cloud

    run_state_machine_as_test(
        Platform,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],  # a failure is told as it was found: shrinking takes minutes
            suppress_health_check=list(HealthCheck),
        ),
    )
