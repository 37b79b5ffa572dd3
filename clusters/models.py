"""Clusters, who holds them, and when they were usable."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower

from workspaces.clouds.base import InstanceType
from workspaces.models import Notebook, Organization, Workspace
from workspaces.models.operations import latest_operation_columns


class ClusterQuerySet(models.QuerySet["Cluster"]):
    def live(self) -> ClusterQuerySet:
        return self.exclude(state=Cluster.State.TERMINATED)

    def running(self) -> ClusterQuerySet:
        return self.filter(state=Cluster.State.RUNNING)

    def with_timers(self) -> ClusterQuerySet:
        """Those that may pause, stop or be removed by themselves some day."""
        idle = (Cluster.State.RUNNING, Cluster.State.PAUSED, Cluster.State.STOPPED)
        return self.filter(state__in=idle, removal_requested_at=None).exclude(
            auto_pause_minutes=None, auto_stop_minutes=None, auto_shutdown_minutes=None
        )

    def attachable(self) -> ClusterQuerySet:
        """What a notebook may choose: neither made for one job nor on its way out (F120)."""
        return self.live().filter(is_dedicated=False, removal_requested_at=None)

    def free(self, now: datetime) -> ClusterQuerySet:
        """Usable, and bound to no notebook and no job (F157)."""
        held = ClusterLease.objects.held(now).values("cluster")
        return self.running().filter(is_dedicated=False).exclude(pk__in=held)

    def free_or_asleep(self, now: datetime) -> ClusterQuerySet:
        """Those that a job can be scheduled on: what sleeps is resumed at its time (K5)."""
        held = ClusterLease.objects.held(now).values("cluster")
        usable = self.filter(state__in=(Cluster.State.RUNNING, *Cluster.ASLEEP))
        return usable.filter(is_dedicated=False, removal_requested_at=None).exclude(pk__in=held)

    def with_latest_operation(self) -> ClusterQuerySet:
        return self.annotate(**latest_operation_columns())


def _never_after(first: str, second: str) -> models.Q:
    """Pause <= stop <= shutdown, where both are set (K3)."""
    return (
        models.Q(**{first: None})
        | models.Q(**{second: None})
        | models.Q(**{f"{first}__lte": models.F(second)})
    )


class Cluster(models.Model):
    class State(models.TextChoices):
        """The life cycle of the public SDK (G003)."""

        NEW = "NEW", "NEW"
        INPROGRESS = "INPROGRESS", "INPROGRESS"
        PAUSING = "PAUSING", "PAUSING"
        PAUSED = "PAUSED", "PAUSED"
        STOPPING = "STOPPING", "STOPPING"
        STOPPED = "STOPPED", "STOPPED"
        INITIALIZING = "INITIALIZING", "INITIALIZING"
        RUNNING = "RUNNING", "RUNNING"
        FAILED = "FAILED", "FAILED"
        TERMINATED = "TERMINATED", "TERMINATED"

    UNSETTLED = (State.NEW, State.INPROGRESS, State.PAUSING, State.STOPPING, State.INITIALIZING)

    ASLEEP = (State.PAUSED, State.STOPPED)

    # What a verification targets: it must not stand in the way of a pause or a removal.
    check_uuid = models.UUIDField(default=uuid.uuid4, editable=False, db_index=True)
    uuid = models.UUIDField(default=uuid.uuid4, unique=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="clusters")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    name = models.CharField("Cluster name", max_length=80)
    description = models.CharField("Cluster description", max_length=500, blank=True)
    instance_type = models.CharField("Instance type", max_length=60)
    vcpus_per_node = models.PositiveIntegerField()
    cores_per_node = models.PositiveIntegerField()
    memory_mib_per_node = models.PositiveIntegerField()
    has_efa = models.BooleanField(default=False)
    node_count = models.PositiveIntegerField("Number of Instances")
    bodo_version = models.CharField("Bodo Version", max_length=40)
    ssh_public_key = models.TextField("SSH Public Key", blank=True)
    tags = models.JSONField(default=dict, blank=True)
    # What %ppip installed on it: put back wherever its nodes start afresh.
    packages = models.JSONField(default=list, blank=True)
    # The pair that notebooks reach its nodes with (F141, F145); made at the first attachment.
    node_public_key = models.TextField(blank=True)
    sealed_node_key = models.TextField(blank=True)
    auto_pause_minutes = models.PositiveIntegerField("Cluster auto pause", null=True, blank=True)
    auto_stop_minutes = models.PositiveIntegerField("Auto stop", null=True, blank=True)
    auto_shutdown_minutes = models.PositiveIntegerField(
        "Cluster auto shutdown", null=True, blank=True
    )
    is_dedicated = models.BooleanField(default=False)  # made for one job, removed with it (F159)
    scaled_from = models.PositiveIntegerField(null=True, blank=True)  # while it is being scaled
    state = models.CharField(max_length=12, choices=State.choices, default=State.NEW)
    state_reason = models.TextField(blank=True)
    created_at = models.DateTimeField()
    ready_at = models.DateTimeField(null=True, blank=True)
    last_activity_at = models.DateTimeField("Last Known Activity", null=True, blank=True)
    snoozed_until = models.DateTimeField(null=True, blank=True)
    snoozed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    idle_warned_at = models.DateTimeField(null=True, blank=True)
    removal_requested_at = models.DateTimeField(null=True, blank=True)
    removed_at = models.DateTimeField(null=True, blank=True)

    objects = ClusterQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                "workspace",
                Lower("name"),
                condition=~models.Q(state="TERMINATED"),
                name="cluster_name_unique_among_live",
            ),
            models.CheckConstraint(
                condition=models.Q(node_count__gte=1), name="cluster_has_a_node"
            ),
            models.CheckConstraint(
                condition=_never_after("auto_pause_minutes", "auto_stop_minutes")
                & _never_after("auto_stop_minutes", "auto_shutdown_minutes")
                & _never_after("auto_pause_minutes", "auto_shutdown_minutes"),
                name="cluster_timers_in_order",
            ),
        ]
        indexes = [models.Index(fields=["workspace", "-created_at"], name="cluster_by_workspace")]

    def __str__(self) -> str:
        return self.name

    @property
    def core_count(self) -> int:
        """TOTAL_CORE_COUNT: one MPI rank per physical core (F150)."""
        return self.cores_per_node * self.node_count

    @property
    def is_unsettled(self) -> bool:
        return self.state in self.UNSETTLED

    @property
    def is_asleep(self) -> bool:
        """It costs less or nothing, and can be made RUNNING again."""
        return self.state in self.ASLEEP and self.removal_requested_at is None

    @property
    def has_timers(self) -> bool:
        timers = (self.auto_pause_minutes, self.auto_stop_minutes, self.auto_shutdown_minutes)
        return any(minutes is not None for minutes in timers)

    @property
    def is_removable(self) -> bool:
        return self.state != self.State.TERMINATED and self.removal_requested_at is None

    @property
    def verbs(self) -> list[str]:
        """What it may be asked for in this state; removal is always one more."""
        if self.removal_requested_at:
            return []
        return [verb for verb, states in VERB_STATES.items() if self.state in states]

    def take_shape_of(self, kind: InstanceType) -> None:
        """Remember what the instance type was when it was chosen; providers change their lists."""
        self.instance_type = kind.name
        self.vcpus_per_node = kind.vcpus
        self.cores_per_node = kind.cores
        self.memory_mib_per_node = kind.memory_mib
        self.has_efa = kind.has_efa

    def holder(self, now: datetime) -> ClusterLease | None:
        """A job that has it to itself now. Attached notebooks share it, and only their work
        keeps it from its timers.
        """
        return self.leases.held(now).filter(is_exclusive=True).first()


# From which states each verb of the life cycle leads on (G006, G007).
VERB_STATES = {
    "pause": (Cluster.State.RUNNING,),
    "resume": (Cluster.State.PAUSED,),
    "stop": (Cluster.State.RUNNING, Cluster.State.PAUSED),
    "start": (Cluster.State.STOPPED,),
    "restart": (Cluster.State.RUNNING,),
    "scale": (Cluster.State.RUNNING, Cluster.State.PAUSED),
}


class ClusterNode(models.Model):
    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="nodes")
    ordinal = models.PositiveIntegerField()
    name = models.CharField(max_length=120)
    address = models.CharField(max_length=60)

    class Meta:
        ordering = ["ordinal"]
        constraints = [
            models.UniqueConstraint(fields=["cluster", "ordinal"], name="cluster_node_once"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.address})"


class ClusterLeaseQuerySet(models.QuerySet["ClusterLease"]):
    def held(self, now: datetime) -> ClusterLeaseQuerySet:
        return self.filter(expires_at__gt=now)


class ClusterLease(models.Model):
    """Somebody uses the cluster. "Free" and "idle" ask for these and never for jobs."""

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="leases")
    holder_kind = models.CharField(max_length=20)
    holder_uuid = models.UUIDField()
    is_exclusive = models.BooleanField(default=True)
    taken_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    objects = ClusterLeaseQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["cluster"],
                condition=models.Q(is_exclusive=True),
                name="cluster_lease_one_exclusive",
            ),
            models.UniqueConstraint(
                fields=["cluster", "holder_uuid"], name="cluster_lease_one_per_holder"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.holder_kind} {self.holder_uuid}"


class NotebookAttachmentQuerySet(models.QuerySet["NotebookAttachment"]):
    def shown(self) -> NotebookAttachmentQuerySet:
        """With what pages say about one, in the order in which they came."""
        return self.select_related("notebook__owner", "cluster").order_by("attached_at", "pk")


class NotebookAttachment(models.Model):
    """A notebook server has kernels that work with this cluster (F120). Its lease, not exclusive,
    keeps jobs off the cluster; the lease is renewed while such kernels live.
    """

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="attachments")
    notebook = models.ForeignKey(Notebook, on_delete=models.CASCADE, related_name="attachments")
    attached_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    attached_at = models.DateTimeField()
    last_kernel_at = models.DateTimeField()  # when a kernel of it was seen last, or was asked for

    objects = NotebookAttachmentQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["cluster", "notebook"], name="notebook_attachment_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.notebook} on {self.cluster}"


class ClusterEvidence(models.Model):
    """The newest look at one sign of use: why a cluster is, or is not, going to pause.

    ``source`` is the notebook's uuid for a kernel, else empty. ``is_busy`` None: the look failed,
    which counts as busy.
    """

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="evidence")
    name = models.CharField(max_length=20)
    source = models.CharField(max_length=60, blank=True)
    is_busy = models.BooleanField(null=True)
    detail = models.CharField(max_length=300)
    seen_at = models.DateTimeField()
    last_busy_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["name", "source"]
        verbose_name_plural = "cluster evidence"
        constraints = [
            models.UniqueConstraint(
                fields=["cluster", "name", "source"], name="cluster_evidence_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.detail}"


class UsageInterval(models.Model):
    """One usable stretch of a cluster: what is billed (K4). Never deleted.

    Opens when the cluster is ready and closes at the request to end it, or at the last sign of
    life of one found dead.
    """

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="+")
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="+")
    cluster = models.ForeignKey(Cluster, on_delete=models.PROTECT, related_name="usage_intervals")
    provider = models.CharField(max_length=10)
    instance_type = models.CharField(max_length=60)
    node_count = models.PositiveIntegerField()
    end_reason = models.CharField(max_length=40, blank=True)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["started_at", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["cluster"],
                condition=models.Q(ended_at=None),
                name="usage_interval_one_open",
            ),
            models.CheckConstraint(
                condition=models.Q(ended_at=None) | models.Q(ended_at__gte=models.F("started_at")),
                name="usage_interval_forward",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.cluster_id}: {self.started_at} to {self.ended_at}"
