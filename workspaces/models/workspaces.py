"""Workspaces: a shared file system and a network in one region of one cloud configuration."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower

from accounts.models import User
from workspaces.models.clouds import CloudConfiguration
from workspaces.models.organizations import Organization, OrganizationMembership


class WorkspaceQuerySet(models.QuerySet["Workspace"]):
    def visible_to(self, user: User) -> WorkspaceQuerySet:
        """Those with a membership, and all of an organization one owns or administers."""
        managed = OrganizationMembership.objects.filter(
            user=user,
            role__in=(OrganizationMembership.Role.OWNER, OrganizationMembership.Role.ADMIN),
        ).values("organization")
        own = WorkspaceMembership.objects.filter(user=user).values("workspace")
        return self.filter(models.Q(organization__in=managed) | models.Q(pk__in=own))

    def live(self) -> WorkspaceQuerySet:
        return self.exclude(status=Workspace.Status.TERMINATED)


class Workspace(models.Model):
    class Status(models.TextChoices):
        NEW = "NEW", "NEW"
        INPROGRESS = "INPROGRESS", "INPROGRESS"
        READY = "READY", "READY"
        FAILED = "FAILED", "FAILED"
        TERMINATING = "TERMINATING", "TERMINATING"
        TERMINATED = "TERMINATED", "TERMINATED"

    UNSETTLED = (Status.NEW, Status.INPROGRESS, Status.TERMINATING)

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="workspaces"
    )
    cloud_configuration = models.ForeignKey(
        CloudConfiguration,
        on_delete=models.PROTECT,
        related_name="workspaces",
        verbose_name="Cloud configuration",
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    name = models.CharField("Workspace name", max_length=80)
    region = models.CharField("Region", max_length=60)
    # For the next My Notebook that is made here; empty and None: as the installation says.
    notebook_instance_type = models.CharField("Instance type", max_length=60, blank=True)
    notebook_idle_minutes = models.PositiveIntegerField("Auto pause", null=True, blank=True)
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.NEW)
    status_reason = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    terminated_at = models.DateTimeField(null=True, blank=True)

    objects = WorkspaceQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                "organization",
                Lower("name"),
                condition=~models.Q(status="TERMINATED"),
                name="workspace_name_unique_among_live",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_ready(self) -> bool:
        return self.status == self.Status.READY

    @property
    def is_unsettled(self) -> bool:
        return self.status in self.UNSETTLED


class WorkspaceMembership(models.Model):
    class Role(models.TextChoices):
        ADMIN = "ADMIN", "Admin"
        MEMBER = "MEMBER", "Member"
        VIEWER = "VIEWER", "Viewer"

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="workspace_memberships"
    )
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.VIEWER)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "user"], name="workspace_membership_once"),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.workspace}: {self.role}"
