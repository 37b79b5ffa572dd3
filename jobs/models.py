"""Jobs: one command, run once on a cluster, with its log."""

from __future__ import annotations

import json
import shlex
import uuid

from django.conf import settings
from django.db import models

from clusters.models import Cluster
from workspaces.models import Workspace
from workspaces.secrets import seal, unseal


class JobQuerySet(models.QuerySet["Job"]):
    def unsettled(self) -> JobQuerySet:
        return self.exclude(state__in=Job.FINAL)


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
    source_url = models.CharField("Path", max_length=500)
    environment_sealed = models.TextField(blank=True, editable=False)
    timeout_minutes = models.PositiveIntegerField(default=60)
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    reason = models.CharField(max_length=40, blank=True)
    message = models.TextField(blank=True)
    exit_code = models.IntegerField(null=True, blank=True)
    source_commit = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        indexes = [models.Index(fields=["workspace", "-created_at"], name="job_by_workspace")]

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
    def environment(self) -> dict[str, str]:
        if not self.environment_sealed:
            return {}
        plain: dict[str, str] = json.loads(unseal(self.environment_sealed, context=self._context))
        return plain

    @environment.setter
    def environment(self, variables: dict[str, str]) -> None:
        sealed = seal(json.dumps(variables), context=self._context) if variables else ""
        self.environment_sealed = sealed

    @property
    def _context(self) -> str:
        return f"jobs.job.environment:{self.uuid}"
