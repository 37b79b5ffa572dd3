"""The stage of the fault tests: the real stack, a user at its pages, and its database, read from
outside.

Rows are read through a database alias of its own, by the models, so SQLite and PostgreSQL are the
same here. Nothing is written but messages of the queue, which some tests lose or repeat.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import psutil
from django.db import connections
from django.utils import timezone
from django_q.models import OrmQ

from bodoweb.environment import Env
from clusters.models import Cluster
from jobs.models import Job
from tests.faults.person import Person
from tests.stack import Stack
from tests.waiting import wait_until
from workspaces.models import Notebook, Operation

DATABASE = "stack"
SETTLE_SECONDS = 90
SCRIPT = "ex.py"
TICKS, MANY_TICKS = 4, 80
SOURCE = """\
import sys, time
import bodo
rank = bodo.get_rank()
width = int((*sys.argv, 0)[2])
for tick in range(int(sys.argv[1])):
    print("tick", tick, "of rank", rank, flush=True)
    print("-" * width, end="\\n" * bool(width), flush=True)
    time.sleep(0.5)
print("the end of rank", rank, flush=True)
"""


@dataclass(frozen=True)
class Recovery:
    """``seconds`` from the blow until the thing was what the user had asked for."""

    victim: str
    during: str
    seconds: float


@dataclass
class Scene:
    stack: Stack
    person: Person
    source: str
    dice: random.Random
    began_at: datetime = field(default_factory=timezone.now)
    recoveries: list[Recovery] = field(default_factory=list)
    expected: dict[UUID, str] = field(default_factory=dict)  # final state by uuid

    # Rows -------------------------------------------------------------------------------------

    def cluster(self, uuid: UUID) -> Cluster:
        return Cluster.objects.using(DATABASE).get(uuid=uuid)

    def job(self, uuid: UUID) -> Job:
        return Job.objects.using(DATABASE).get(uuid=uuid)

    def notebook(self, uuid: UUID) -> Notebook:
        return Notebook.objects.using(DATABASE).get(uuid=uuid)

    def operation(self, target: UUID, kind: str) -> Operation:
        return Operation.objects.using(DATABASE).get(target_uuid=target, kind=kind)

    # What a user does -------------------------------------------------------------------------

    def create_cluster(self, name: str, nodes: int = 1) -> UUID:
        form = self.person.cluster_form(name, nodes)
        answer = self.person.submit("clusters", form)
        assert answer.is_accepted, f"{answer.status}: {answer.complaints()}"
        self.expected[UUID(form["uuid"])] = Cluster.State.RUNNING
        return UUID(form["uuid"])

    def job_form(
        self, name: str, cluster: UUID | None, ticks: int = TICKS, width: int = 0
    ) -> dict[str, str]:
        """A tick takes half a second, and prints a line of that width too."""
        pk = self.cluster(cluster).pk if cluster else None
        return self.person.job_form(name, self.source, f"{SCRIPT} {ticks} {width}", pk)

    def run_job(self, name: str, cluster: UUID | None, ticks: int = TICKS, width: int = 0) -> UUID:
        form = self.job_form(name, cluster, ticks, width)
        answer = self.person.submit("jobs", form)
        assert answer.is_accepted, f"{answer.status}: {answer.complaints()}"
        self.expected[UUID(form["uuid"])] = Job.State.SUCCEEDED
        return UUID(form["uuid"])

    def remove_cluster(self, uuid: UUID) -> None:
        answer = self.person.press("clusters", uuid, "remove")
        assert answer.is_accepted, f"removing was answered {answer.status}"
        self.expected[uuid] = Cluster.State.TERMINATED

    def create_notebook(self, name: str) -> UUID:
        form = self.person.notebook_form(name)
        answer = self.person.submit("notebooks", form)
        assert answer.is_accepted, f"{answer.status}: {answer.complaints()}"
        return UUID(form["uuid"])

    def act_on_notebook(self, uuid: UUID, verb: str, state: str) -> None:
        """``state``: what comes of it."""
        answer = self.person.press("notebooks", uuid, verb)
        assert answer.is_accepted, f"{verb} was answered {answer.status}"
        self.expected[uuid] = state
        self.wait_for_notebook(uuid, state)

    def cancel_job(self, uuid: UUID) -> None:
        answer = self.person.press("jobs", uuid, "cancel")
        assert answer.is_accepted, f"cancelling was answered {answer.status}"
        self.expected[uuid] = Job.State.CANCELLED

    # Waiting ----------------------------------------------------------------------------------

    def wait_for_cluster(self, uuid: UUID, state: str, *, timeout: float = SETTLE_SECONDS) -> None:
        def look() -> bool:
            row = self.cluster(uuid)
            passing = {*Cluster.UNSETTLED, Cluster.State.RUNNING}
            assert row.state in {state, *passing}, f"{row.state}: {row.state_reason}"
            return row.state == state

        wait_until(look, timeout=timeout, every=0.05)

    def wait_for_job(self, uuid: UUID, state: str, *, timeout: float = SETTLE_SECONDS) -> None:
        def look() -> bool:
            row = self.job(uuid)
            assert row.is_unsettled or row.state == state, f"{row.state}: {row.message}"
            return row.state == state

        wait_until(look, timeout=timeout, every=0.05)

    def wait_for_notebook(self, uuid: UUID, state: str, *, timeout: float = SETTLE_SECONDS) -> None:
        def look() -> bool:
            row = self.notebook(uuid)
            passing = {*Notebook.UNSETTLED, Notebook.State.RUNNING}
            assert row.state in {state, *passing}, f"{row.state}: {row.state_reason}"
            return row.state == state

        wait_until(look, timeout=timeout, every=0.05)

    def wait_until_begun(self, target: UUID, kind: str, percent: int = 0) -> None:
        def look() -> bool:
            row = self.operation(target, kind)
            return row.started_at is not None and row.percent >= percent

        wait_until(look, timeout=SETTLE_SECONDS, every=0.005)

    def wait_until_settled(self, target: UUID) -> None:
        rows = Operation.objects.using(DATABASE).unsettled().for_target(target)
        wait_until(lambda: not rows.exists(), timeout=SETTLE_SECONDS)

    # Blows ------------------------------------------------------------------------------------

    def strike(
        self, victim: str, target: UUID, during: str, until_settled: Callable[[], None]
    ) -> None:
        began = timezone.now()
        self.kill(victim, target)
        until_settled()
        self.note(victim, during, began)
        wait_until(self.stack.health, timeout=60)  # the pages may come back later than the work

    def note(self, victim: str, during: str, since: datetime) -> None:
        seconds = (timezone.now() - since).total_seconds()
        self.recoveries.append(Recovery(victim, during, seconds))

    def kill(self, victim: str, target: UUID) -> None:
        """A role of the stack; "busy worker" is the one in a step for ``target``."""
        if victim == "busy worker":
            self._kill_in_step(target)
        elif victim == "idle worker":
            wait_until(self._kill_idle_worker, timeout=20)
        elif victim == "whole stack":
            everything = self.stack.all_processes()
            self.stack.kill("manager")
            wait_until(lambda: not any(p.is_running() for p in everything[1:]), timeout=10)
            assert self.stack.manager is not None
            self.stack.manager.wait(10)
            self.stack.start()
        else:
            self.stack.kill(victim)

    def _kill_in_step(self, target: UUID) -> None:
        """Stopped first and looked at again, so that it certainly dies inside the step."""
        held = Operation.objects.using(DATABASE).unsettled().for_target(target)
        held = held.exclude(lease_owner="")
        ours = wait_until(lambda: self.stack.pids().get("worker"), timeout=20)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            before = held.values_list("lease_owner", "fence").first()
            if before is None:
                continue
            worker = psutil.Process(_pid(before[0]))
            assert worker.pid in ours
            worker.suspend()
            if held.values_list("lease_owner", "fence").first() == before:
                worker.kill()
                return
            worker.resume()
        raise AssertionError("no worker was met in a step")

    def _kill_idle_worker(self) -> bool:
        owners = Operation.objects.using(DATABASE).exclude(lease_owner="")
        busy = {_pid(owner) for owner in owners.values_list("lease_owner", flat=True)}
        idle = [pid for pid in self.stack.pids().get("worker", []) if pid not in busy]
        if idle:
            os.kill(idle[0], signal.SIGKILL)
        return bool(idle)

    @contextmanager
    def held_queue(self) -> Iterator[None]:
        """Messages pile up in the table meanwhile: nothing takes them from it."""
        wait_until(self.stack.is_complete, timeout=30)
        pusher = self.stack.processes()["pusher"][0]
        pusher.suspend()
        try:
            yield
        finally:
            pusher.resume()


def _pid(owner: str) -> int:
    """Of a lease's owner: host/boot id/pid/start time."""
    return int(owner.split("/")[-2])


def messages() -> list[OrmQ]:
    return list(OrmQ.objects.using(DATABASE).order_by("pk"))


def connect(stack: Stack) -> None:
    """Name the stack's database ``DATABASE`` here."""
    url = stack.environment.get("DATABASE_URL") or f"sqlite:///{stack.data_dir}/bodoweb.sqlite3"
    found = Env.db_url_config(url)
    sqlite = {"timeout": 20} if found["ENGINE"].endswith("sqlite3") else {}
    connections.databases[DATABASE] = {
        **connections.databases["default"],
        **found,
        "OPTIONS": sqlite,
        "CONN_MAX_AGE": None,
    }


def disconnect() -> None:
    connections[DATABASE].close()
    del connections[DATABASE]
    del connections.databases[DATABASE]
