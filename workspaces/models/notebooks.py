"""JupyterLab servers and who may come in through their own origin."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower

from accounts.models import User
from workspaces.clouds.base import InstanceType
from workspaces.models.operations import latest_operation_columns
from workspaces.models.workspaces import Workspace


class NotebookQuerySet(models.QuerySet["Notebook"]):
    def live(self) -> NotebookQuerySet:
        return self.exclude(state=Notebook.State.TERMINATED)

    def running(self) -> NotebookQuerySet:
        return self.filter(state=Notebook.State.RUNNING)

    def own(self, user: User) -> NotebookQuerySet:
        return self.filter(owner=user)

    def with_latest_operation(self) -> NotebookQuerySet:
        return self.annotate(**latest_operation_columns())


class Notebook(models.Model):
    """A person's JupyterLab server in a workspace; ``is_default`` is My Notebook (K11)."""

    class State(models.TextChoices):
        NEW = "NEW", "NEW"
        INPROGRESS = "INPROGRESS", "INPROGRESS"
        READINESSPROBE = "READINESSPROBE", "READINESSPROBE"
        RUNNING = "RUNNING", "RUNNING"
        PAUSING = "PAUSING", "PAUSING"
        PAUSED = "PAUSED", "PAUSED"
        FAILED = "FAILED", "FAILED"
        TERMINATING = "TERMINATING", "TERMINATING"
        TERMINATED = "TERMINATED", "TERMINATED"

    STARTING = (State.NEW, State.INPROGRESS, State.READINESSPROBE)
    UNSETTLED = (*STARTING, State.PAUSING, State.TERMINATING)

    uuid = models.UUIDField(default=uuid.uuid4, unique=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="notebooks")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="notebooks"
    )
    name = models.CharField("Notebook name", max_length=80)
    description = models.CharField("Notebook description", max_length=500, blank=True)
    is_default = models.BooleanField(default=False)
    instance_type = models.CharField("Instance type", max_length=60)
    vcpus = models.PositiveIntegerField()
    cores = models.PositiveIntegerField()
    memory_mib = models.PositiveIntegerField()
    # The cluster that its notebooks are attached to from the start; clusters live a floor above.
    preferred_cluster = models.UUIDField("Cluster", null=True, blank=True)
    # None: as the installation says (BODO_NOTEBOOK_IDLE_MINUTES); 0: never.
    idle_minutes = models.PositiveIntegerField("Auto pause", null=True, blank=True)
    sealed_token = models.TextField()
    address = models.CharField(max_length=300, blank=True)
    state = models.CharField(max_length=14, choices=State.choices, default=State.NEW)
    state_reason = models.TextField(blank=True)
    created_at = models.DateTimeField()
    ready_at = models.DateTimeField(null=True, blank=True)
    last_activity_at = models.DateTimeField("Last Known Activity", null=True, blank=True)
    removal_requested_at = models.DateTimeField(null=True, blank=True)
    removed_at = models.DateTimeField(null=True, blank=True)

    objects = NotebookQuerySet.as_manager()

    class Meta:
        ordering = ["-is_default", "name", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "owner"],
                condition=models.Q(is_default=True) & ~models.Q(state="TERMINATED"),
                name="notebook_one_default_per_person",
            ),
            models.UniqueConstraint(
                "workspace",
                "owner",
                Lower("name"),
                condition=~models.Q(state="TERMINATED"),
                name="notebook_name_unique_among_live",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def token_context(self) -> str:
        """What binds the sealed token to this row."""
        return f"workspaces.notebook.sealed_token:{self.uuid}"

    @property
    def is_unsettled(self) -> bool:
        return self.state in self.UNSETTLED

    @property
    def is_open(self) -> bool:
        """OPEN NOTEBOOK works (F039)."""
        return self.state == self.State.RUNNING

    @property
    def status(self) -> str:
        """The documents' word for it: FINISHED is one that can be opened (V12)."""
        return "FINISHED" if self.is_open else self.state

    @property
    def verbs(self) -> list[str]:
        """What it may be asked for in this state; removal is always one more."""
        if self.removal_requested_at:
            return []
        return [verb for verb, states in NOTEBOOK_VERBS.items() if self.state in states]

    @property
    def shape(self) -> InstanceType:
        return InstanceType(self.instance_type, self.vcpus, self.cores, self.memory_mib)

    def take_shape_of(self, kind: InstanceType) -> None:
        self.instance_type, self.vcpus = kind.name, kind.vcpus
        self.cores, self.memory_mib = kind.cores, kind.memory_mib


# From which states each verb of the life cycle leads on. ``start`` is also the way out of FAILED.
NOTEBOOK_VERBS = {
    "pause": (Notebook.State.RUNNING,),
    "resume": (Notebook.State.PAUSED,),
    "start": (Notebook.State.FAILED,),
    "restart": (Notebook.State.RUNNING,),
    "reset": (Notebook.State.RUNNING, Notebook.State.PAUSED, Notebook.State.FAILED),
}


class NotebookAccessQuerySet(models.QuerySet["NotebookAccess"]):
    def entered(self, now: datetime) -> NotebookAccessQuerySet:
        return self.filter(expires_at__gt=now).exclude(entered_at=None)


class NotebookAccess(models.Model):
    """A person's way into one notebook: first a ticket, once and briefly; then a cookie.

    ``secret_hash`` is the SHA-256 of the ticket until it is used, then of the cookie. Neither
    lives longer than the session of the platform that asked for it (``session_key``; and
    ``session_hash``, which Django compares to notice a changed password).
    """

    notebook = models.ForeignKey(Notebook, on_delete=models.CASCADE, related_name="accesses")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    session_key = models.CharField(max_length=40)
    session_hash = models.CharField(max_length=128)
    secret_hash = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()
    entered_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField()

    objects = NotebookAccessQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "notebook accesses"

    def __str__(self) -> str:
        return f"{self.user} in {self.notebook}"
