"""Who did what, when, why, and what changed: written by every service that changes something."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from workspaces.models.organizations import Organization
from workspaces.models.workspaces import Workspace


class TimelineEntry(models.Model):
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="timeline"
    )
    workspace = models.ForeignKey(
        Workspace, on_delete=models.PROTECT, null=True, blank=True, related_name="timeline"
    )
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    source = models.CharField(max_length=10)
    action = models.CharField(max_length=60)
    target_uuid = models.UUIDField()
    target_name = models.CharField(max_length=120)
    reason = models.TextField(blank=True)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    at = models.DateTimeField()

    class Meta:
        ordering = ["-at", "-pk"]
        indexes = [
            models.Index(fields=["target_uuid", "-at"], name="timeline_by_target"),
            models.Index(fields=["workspace", "-at"], name="timeline_by_workspace"),
            models.Index(fields=["organization", "-at"], name="timeline_by_organization"),
        ]
        verbose_name_plural = "timeline entries"

    def __str__(self) -> str:
        return f"{self.action} {self.target_name}"
