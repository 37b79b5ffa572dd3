"""Jobs: one command, run on a cluster at its time, with retries, and the log of each attempt."""

from __future__ import annotations

import json
import re
import shlex
import uuid
from datetime import datetime
from urllib.parse import urlsplit
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import models

from clusters.models import Cluster
from jobs.reasons import REFUSED, next_step
from jobs.schedule import comes_twice, day, local_words
from workspaces.models import Workspace
from workspaces.secrets import seal, unseal

# Values of variables with such names are masked in the log; any other value may be a plain word.
SECRET_NAME = re.compile(r"secret|token|passw|credential|private|api_?key|_key$", re.IGNORECASE)


class JobQuerySet(models.QuerySet["Job"]):
    def unsettled(self) -> JobQuerySet:
        return self.exclude(state__in=Job.FINAL)

    def ended_with_log(self, before: datetime) -> JobQuerySet:
        """Ended before that moment, and the log is still there."""
        return self.filter(state__in=Job.FINAL, finished_at__lt=before, log_removed_at=None)


class Job(models.Model):
    class State(models.TextChoices):
        """The life cycle of the public SDK (G004)."""

        PENDING = "PENDING", "PENDING"
        RUNNING = "RUNNING", "RUNNING"
        CANCELLING = "CANCELLING", "CANCELLING"
        SUCCEEDED = "SUCCEEDED", "SUCCEEDED"
        FAILED = "FAILED", "FAILED"
        CANCELLED = "CANCELLED", "CANCELLED"
        TIMEOUT = "TIMEOUT", "TIMEOUT"

    class SourceKind(models.TextChoices):
        GIT = "GIT", "Git"
        WORKSPACE = "WORKSPACE", "Workspace files"

    FINAL = (State.SUCCEEDED, State.FAILED, State.CANCELLED, State.TIMEOUT)
    DOCUMENTED_STATUS = {
        State.PENDING: "NEW",
        State.RUNNING: "INPROGRESS",
        State.CANCELLING: "INPROGRESS",
        State.SUCCEEDED: "FINISHED",
        State.FAILED: "FAILED",
        State.CANCELLED: "CANCELLED",
        State.TIMEOUT: "FAILED",
    }

    uuid = models.UUIDField(default=uuid.uuid4, unique=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="jobs")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    cluster = models.ForeignKey(Cluster, on_delete=models.PROTECT, related_name="+")
    name = models.CharField("Job name", max_length=80)
    command = models.TextField("Command")
    source_kind = models.CharField(
        max_length=10, choices=SourceKind.choices, default=SourceKind.GIT
    )
    source_url = models.CharField("Path", max_length=500, blank=True)
    source_folder = models.CharField("Folder", max_length=500, blank=True)  # of the shared tree
    reference = models.CharField("Workspace reference", max_length=200, blank=True)
    username = models.CharField("Workspace username", max_length=200, blank=True)  # Git's (K6)
    password_sealed = models.TextField(blank=True, editable=False)
    environment_sealed = models.TextField(blank=True, editable=False)
    # The operation that resumed the cluster for this job (K5).
    waking_uuid = models.UUIDField(null=True, blank=True, editable=False)
    time_zone = models.CharField(max_length=64, default="UTC")
    timeout_minutes = models.PositiveIntegerField(default=60)  # of each attempt (G013)
    retries = models.PositiveSmallIntegerField(default=0)
    retry_delay_minutes = models.PositiveSmallIntegerField(default=1)
    is_retried_on_timeout = models.BooleanField(default=False)
    attempt = models.PositiveSmallIntegerField(default=1)
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    reason = models.CharField(max_length=40, blank=True)
    message = models.TextField(blank=True)
    exit_code = models.IntegerField(null=True, blank=True)
    source_commit = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField()
    scheduled_at = models.DateTimeField(null=True, blank=True)
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    log_removed_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = JobQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        indexes = [
            models.Index(fields=["workspace", "-created_at"], name="job_by_workspace"),
            models.Index(
                fields=["finished_at"],
                condition=models.Q(log_removed_at=None),
                name="job_with_log_by_end",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def status(self) -> str:
        """The documents' word for the state (F173-F176)."""
        return self.DOCUMENTED_STATUS[Job.State(self.state)]

    @property
    def is_unsettled(self) -> bool:
        return self.state not in self.FINAL

    @property
    def argv(self) -> tuple[str, ...]:
        """What goes after ``python``. Raises ValueError for unbalanced quotes."""
        return tuple(shlex.split(self.command))

    @property
    def not_before(self) -> datetime | None:
        """When the current attempt may begin; None is at once."""
        return self.next_attempt_at or self.scheduled_at

    @property
    def command_uuid(self) -> UUID:
        """The current attempt, as drivers and logs know it."""
        return self.command_uuid_of(self.attempt)

    def command_uuid_of(self, attempt: int) -> UUID:
        """The first attempt has the job's own uuid, each later one a uuid derived from it."""
        return self.uuid if attempt == 1 else uuid5(self.uuid, f"attempt-{attempt}")

    @property
    def is_to_wake_cluster(self) -> bool:
        """Its cluster sleeps, and is resumed when the time of this job has come (K5)."""
        return (
            self.state == self.State.PENDING
            and self.scheduled_at is not None
            and self.waking_uuid is None
            and self.cluster.is_asleep
        )

    @property
    def wake_words(self) -> str:
        """ "09:00 Europe/Berlin": the date stands beside it as the schedule."""
        assert self.scheduled_at is not None  # noqa: S101 - asked only of a job that is scheduled
        return f"{self.scheduled_at.astimezone(ZoneInfo(self.time_zone)):%H:%M} {self.time_zone}"

    @property
    def schedule_words(self) -> str:
        if self.scheduled_at is None:
            return "Now"
        words = local_words(self.scheduled_at, self.time_zone)
        if comes_twice(self.scheduled_at, self.time_zone):
            words += "; this time comes twice that day, the first one is meant"
        return words

    @property
    def log_removal_words(self) -> str:
        """Empty while there is a log."""
        if self.log_removed_at is None or self.finished_at is None:
            return ""
        days = (self.log_removed_at - self.finished_at).days
        return (
            f"The log of this job was removed on {day(self.log_removed_at)}, {days} days after "
            "its end, by the operator's rule for old logs."
        )

    @property
    def source_words(self) -> str:
        if self.source_kind == self.SourceKind.WORKSPACE:
            return f"/shared/{self.source_folder}"
        return self.source_url

    @property
    def commit_url(self) -> str:
        """The page of the commit that was run, on the host it came from."""
        if not self.source_commit or self.source_kind != self.SourceKind.GIT:
            return ""
        word = "commits" if "bitbucket" in urlsplit(self.source_url).netloc else "commit"
        return f"{self.source_url}/{word}/{self.source_commit}"

    @property
    def next_step(self) -> str:
        """A guard that refuses says itself what can be done."""
        if self.reason == REFUSED:
            return self.message
        return next_step(self.reason, self.exit_code) if self.reason else ""

    @property
    def environment(self) -> dict[str, str]:
        if not self.environment_sealed:
            return {}
        text = unseal(self.environment_sealed, context=self._context("environment"))
        plain: dict[str, str] = json.loads(text)
        return plain

    @environment.setter
    def environment(self, variables: dict[str, str]) -> None:
        text = json.dumps(variables)
        sealed = seal(text, context=self._context("environment")) if variables else ""
        self.environment_sealed = sealed

    @property
    def password(self) -> str:
        if not self.password_sealed:
            return ""
        return unseal(self.password_sealed, context=self._context("password"))

    @password.setter
    def password(self, plain: str) -> None:
        self.password_sealed = seal(plain, context=self._context("password")) if plain else ""

    @property
    def secret_values(self) -> tuple[str, ...]:
        """What the log masks besides the password."""
        return tuple(v for k, v in self.environment.items() if SECRET_NAME.search(k))

    def _context(self, column: str) -> str:
        return f"jobs.job.{column}:{self.uuid}"


class JobAttempt(models.Model):
    """What became of one attempt; the row is there from the start of its command."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="attempts")
    number = models.PositiveSmallIntegerField()
    reason = models.CharField(max_length=40, blank=True)
    message = models.TextField(blank=True)
    exit_code = models.IntegerField(null=True, blank=True)
    source_commit = models.CharField(max_length=64, blank=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["job", "number"], name="job_attempt_once"),
        ]

    def __str__(self) -> str:
        return f"{self.job_id}: attempt {self.number}"

    @property
    def status(self) -> str:
        if self.finished_at is None:
            return "INPROGRESS"
        if not self.reason:
            return "FINISHED"
        return "CANCELLED" if self.reason == "Cancelled" else "FAILED"
