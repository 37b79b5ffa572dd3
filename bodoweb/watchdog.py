"""The watchdog keeps one queue cluster of django-q2 at work.

A qcluster goes silent for ever when one of its waiting processes dies (it takes the lock of its
queue along), and what is left looks alive. So two proofs are asked for: every second, that all of
its processes are there; every few seconds, that a canary, a message like any other, has gone
through the queue, a worker and the monitor. When one fails, the whole session is killed and
started anew: steps are idempotent, and their leases are freed at once.

With workers on several machines a canary may be taken by any of them; the first proof still holds.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import time
from multiprocessing.util import register_after_fork

import psutil
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, connections
from django.utils import timezone
from django_q.brokers.orm import ORM
from django_q.cluster import Cluster
from django_q.conf import Conf
from django_q.models import OrmQ
from django_q.tasks import async_task

from bodoweb.lifetime import end_with_parent
from workspaces.models import Heartbeat
from workspaces.operations.leases import release_dead_leases

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
START_LOOK_SECONDS = 0.1
START_SECONDS = 30
CANARY_SECONDS = 5.0
# All workers may be busy with steps that use up their time; django-q2 allows them 3 s on top.
CANARY_LIMIT_SECONDS = settings.STEP_TIMEOUT_SECONDS + 10
STOP_SECONDS = settings.STEP_TIMEOUT_SECONDS + 10
PAUSE_SECONDS_AT_MOST = 30
DATABASE_ERRORS = (DatabaseError, InterfaceError)
STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT}
WATCHED_SIGNALS = STOP_SIGNALS | {signal.SIGCHLD}


def chirp() -> None:
    """What the canary makes a worker do: nothing."""


class NumberedBroker(ORM):
    """Tells the primary key of the message that it wrote."""

    number = 0

    def enqueue(self, task: str) -> int:
        self.number = super().enqueue(task)  # type: ignore[no-untyped-call]  # django-q2 has none
        return self.number


class Canary:
    """Every few seconds one message; gone from the queue's table, it was worked off."""

    def __init__(self) -> None:
        self.has_returned = False
        self._number: int | None = None
        self._ahead = 0
        self._due_at = self._proof_at = 0.0

    def is_late(self, now: float) -> bool:
        """Send, or look for the one that was sent. ``now`` is monotonic. Raises DATABASE_ERRORS."""
        if self._number is None:
            if now >= self._due_at:
                self._send(now)
            return False
        ahead = OrmQ.objects.filter(pk__lt=self._number).count()
        if not OrmQ.objects.filter(pk=self._number).exists():
            self._number = None
            self.has_returned = True
            _beat()
        elif ahead < self._ahead:  # a long queue, but it moves
            self._ahead, self._proof_at = ahead, now
        return self._number is not None and now - self._proof_at > CANARY_LIMIT_SECONDS

    def _send(self, now: float) -> None:
        broker = NumberedBroker(list_key=str(Conf.CLUSTER_NAME))
        async_task("bodoweb.watchdog.chirp", broker=broker, save=False)
        self._number = broker.number
        self._ahead = OrmQ.objects.filter(pk__lt=self._number).count()
        self._due_at, self._proof_at = now + CANARY_SECONDS, now

    def forget(self) -> None:
        """Send a new one next time, whatever became of this one."""
        self._number, self._due_at = None, 0.0

    def remove(self) -> None:
        if self._number is not None:
            OrmQ.objects.filter(pk=self._number).delete()
        self.forget()


def _beat() -> None:
    now = timezone.now()
    if not Heartbeat.objects.filter(name=Heartbeat.WORKERS).update(at=now):
        Heartbeat.objects.get_or_create(name=Heartbeat.WORKERS, defaults={"at": now})


def _run_qcluster(watchdog_pid: int) -> None:
    """The main process of the qcluster: a session of its own, so that all of it can be killed."""
    os.setsid()
    end_with_parent(watchdog_pid)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED_SIGNALS)
    # Only forks of multiprocessing call this: what a step starts for a user stays untouched.
    register_after_fork(_run_qcluster, lambda _: end_with_parent())
    Cluster().start()


class Family:
    """The processes of one qcluster: main, sentinel, and the sentinel's children."""

    SIZE = 1 + 1 + settings.WORKER_COUNT + 2  # + monitor and pusher

    def __init__(self) -> None:
        connections.close_all()  # a fork must not share them
        fork = multiprocessing.get_context("fork")
        self._main = fork.Process(target=_run_qcluster, args=(os.getpid(),), name="qcluster")
        self._main.start()
        assert self._main.pid is not None, "it was started"  # noqa: S101 - for the type checker
        self._pid = self._main.pid
        self._started_at = time.monotonic()
        self._members = [psutil.Process(self._pid)]

    @property
    def is_complete(self) -> bool:
        return len(self._members) >= self.SIZE

    def fault(self) -> str:
        """What is wrong with its processes; empty when all are there."""
        dead = [member.pid for member in self._members if not _is_alive(member)]
        if dead:
            return f"process {dead[0]} of {len(self._members)} died"
        if not self.is_complete:
            self._find_members()
            if not self.is_complete and time.monotonic() - self._started_at > START_SECONDS:
                return f"only {len(self._members)} of {self.SIZE} processes came up"
        return ""

    def _find_members(self) -> None:
        """Add those that are new; one that was seen once is missed when it is gone."""
        main = self._members[0]
        with contextlib.suppress(psutil.NoSuchProcess):
            found = main.children()
            found += [child for sentinel in found for child in sentinel.children()]
            self._members += [process for process in found if process not in self._members]

    def stop(self) -> None:
        """Let running steps end. SIGTERM goes to the main process only: a group would hang."""
        os.kill(self._pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while _is_alive(self._members[0]) and time.monotonic() < deadline:
            if _is_asked_to_stop(0.1):
                break  # asked twice
        self.kill()

    def kill(self) -> None:
        """End all of it now. The main process is not reaped before, so its ids are still its."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)
        self._main.kill()
        self._main.join()
        deadline = time.monotonic() + 5
        while any(map(_is_alive, self._members)) and time.monotonic() < deadline:
            time.sleep(0.01)


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Watchdog:
    """``run`` returns when SIGTERM or Ctrl-C asked for it, and nothing of the qcluster is left."""

    def run(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED_SIGNALS)
        pause = 0.0
        while not _is_asked_to_stop(pause):
            family, canary = Family(), Canary()
            try:
                reason = self._watch(family, canary)
            except BaseException:
                family.kill()
                raise
            if not reason:
                family.stop()
                return
            logger.error("the workers are started anew: %s", reason)
            family.kill()
            _tidy(canary)
            pause = 0 if canary.has_returned else min(2 * pause + 0.5, PAUSE_SECONDS_AT_MOST)

    def _watch(self, family: Family, canary: Canary) -> str:
        """Return why the qcluster must be started anew; empty when asked to stop."""
        is_database_down = False
        while not _is_asked_to_stop(LOOK_SECONDS if family.is_complete else START_LOOK_SECONDS):
            try:
                if fault := family.fault():
                    _ask_database()
                    return fault
                if canary.is_late(time.monotonic()):
                    return f"no canary came back in {CANARY_LIMIT_SECONDS} s"
                is_database_down = False
            except DATABASE_ERRORS:
                # Without a database nothing can be judged, and a new start would not help.
                if not is_database_down:
                    logger.warning("the database does not answer; waiting for it")
                is_database_down = True
                canary.forget()
                connections.close_all()
        return ""


def _ask_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _is_asked_to_stop(seconds: float) -> bool:
    """Rest for so long, or until a signal comes; a dead child only ends the rest."""
    found = signal.sigtimedwait(WATCHED_SIGNALS, seconds)
    return found is not None and found.si_signo in STOP_SIGNALS


def _tidy(canary: Canary) -> None:
    with contextlib.suppress(*DATABASE_ERRORS):
        canary.remove()
        freed = release_dead_leases(timezone.now())
        if freed:
            logger.warning("freed %s steps of workers that died", freed)
