"""Operations: everything slow or remote, as a row that any worker can carry one step further."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models

from workspaces.models.organizations import Organization
from workspaces.models.workspaces import Workspace

LEASE = timedelta(seconds=2 * settings.STEP_TIMEOUT_SECONDS)
# Clocks of several machines differ by less. A moment further ahead was written before the clock
# was set back.
CLOCK_SLACK = timedelta(seconds=5)


class OperationQuerySet(models.QuerySet["Operation"]):
    def unsettled(self) -> OperationQuerySet:
        return self.filter(status__in=Operation.OPEN)

    def for_target(self, target_uuid: uuid.UUID) -> OperationQuerySet:
        return self.filter(target_uuid=target_uuid)

    def claimable(self, now: datetime) -> OperationQuerySet:
        """Open, due, and held by nobody. A wait that began in the future is over: a look too many
        does no harm.
        """
        is_due = models.Q(next_step_at__lte=now) | models.Q(waiting_since__gt=now + CLOCK_SLACK)
        return self.unsettled().filter(is_due).exclude(_held(now))

    def held(self, now: datetime) -> OperationQuerySet:
        return self.filter(_held(now))


def _held(now: datetime) -> models.Q:
    """No lease lasts longer than LEASE, unless the clock was set back."""
    return models.Q(lease_expires_at__gt=now, lease_expires_at__lte=now + LEASE + CLOCK_SLACK)


def latest_operation_columns() -> dict[str, models.Subquery]:
    """Annotations for a list of targets: the STATUS badge is the newest task's (K2)."""
    newest = Operation.objects.filter(target_uuid=models.OuterRef("uuid"))
    newest = newest.order_by("-pk")  # not by time: clocks are set back now and then
    return {
        f"operation_{column}": models.Subquery(newest.values(column)[:1])
        for column in ("status", "percent", "message")
    }


class Operation(models.Model):
    """The documents' "task". Moves only through ``workspaces.operations``."""

    class Status(models.TextChoices):
        NEW = "NEW", "NEW"
        INPROGRESS = "INPROGRESS", "INPROGRESS"
        FINISHED = "FINISHED", "FINISHED"
        FAILED = "FAILED", "FAILED"
        CANCELLED = "CANCELLED", "CANCELLED"

    class Source(models.TextChoices):
        USER = "user", "User"
        TOKEN = "token", "API token"
        TIMER = "timer", "Timer"
        BUDGET = "budget", "Budget"
        DRIFT = "drift", "Platform check"
        JOB = "job", "Job"
        OPERATOR = "operator", "Operator"

    OPEN = (Status.NEW, Status.INPROGRESS)
    FINAL = (Status.FINISHED, Status.FAILED, Status.CANCELLED)

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="operations"
    )
    workspace = models.ForeignKey(
        Workspace, on_delete=models.PROTECT, null=True, related_name="operations"
    )
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    kind = models.CharField(max_length=40)
    target_uuid = models.UUIDField()
    source = models.CharField(max_length=10, choices=Source.choices, default=Source.USER)
    reason = models.TextField(blank=True)

    status = models.CharField(max_length=10, choices=Status.choices, default=Status.NEW)
    phase = models.CharField(max_length=40, blank=True)
    phase_started_at = models.DateTimeField(null=True)
    percent = models.PositiveSmallIntegerField(default=0)
    message = models.TextField(blank=True)
    error_code = models.CharField(max_length=40, blank=True)
    error_message = models.TextField(blank=True)

    lease_owner = models.CharField(max_length=120, blank=True)
    lease_expires_at = models.DateTimeField(null=True)
    fence = models.PositiveIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_step_at = models.DateTimeField()
    waiting_since = models.DateTimeField(null=True)  # when next_step_at was chosen
    hinted_at = models.DateTimeField(null=True)
    cancel_requested_at = models.DateTimeField(null=True)

    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    objects = OperationQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            # A double click, two browsers, a pause against a remove are decided here.
            models.UniqueConstraint(
                fields=["target_uuid"],
                condition=models.Q(status__in=("NEW", "INPROGRESS")),
                name="operation_one_open_per_target",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_step_at"],
                condition=models.Q(status__in=("NEW", "INPROGRESS")),
                name="operation_due",
            ),
            models.Index(fields=["target_uuid", "-created_at"], name="operation_by_target"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.uuid}"

    @property
    def is_open(self) -> bool:
        return self.status in self.OPEN

    @property
    def verb(self) -> str:
        """CREATE of "cluster.create": what the task table of DETAILS shows (V11)."""
        return self.kind.rpartition(".")[2].upper()


class OperationEvent(models.Model):
    """A line of the operation's log, as DETAILS shows it."""

    operation = models.ForeignKey(Operation, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField()
    phase = models.CharField(max_length=40, blank=True)
    percent = models.PositiveSmallIntegerField(default=0)
    message = models.TextField()
    is_error = models.BooleanField(default=False)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.message

    def as_dict(self) -> dict[str, Any]:
        return {"at": self.at.isoformat(), "percent": self.percent, "message": self.message}


class ControllerLease(models.Model):
    """Which controller loop is the one; the others stand by."""

    name = models.CharField(max_length=20, unique=True)
    owner = models.CharField(max_length=120)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name}: {self.owner}"


class PeriodicDuty(models.Model):
    """When a duty of ``settings.PERIODIC_DUTIES`` is due next."""

    path = models.CharField(max_length=120, unique=True)
    next_due_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "periodic duties"

    def __str__(self) -> str:
        return self.path
