"""Invitations: a secret link by e-mail that lets one person into an organization or workspace."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.conf import settings
from django.db import models

from workspaces.models.organizations import Organization, OrganizationMembership
from workspaces.models.workspaces import Workspace, WorkspaceMembership

GONE = (Workspace.Status.TERMINATING, Workspace.Status.TERMINATED)


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def pending(self) -> InvitationQuerySet:
        """Neither accepted nor revoked; expired ones too, they can be sent again."""
        return self.filter(accepted_at=None, revoked_at=None)

    def usable(self, now: datetime) -> InvitationQuerySet:
        """Pending, in time, and what they lead to is still there."""
        gone = models.Q(workspace__status__in=GONE)
        return self.pending().filter(expires_at__gt=now).exclude(gone)


class Invitation(models.Model):
    """The link carries the secret; the row keeps only its SHA-256, so nobody reads links here."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="invitations"
    )
    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, null=True, blank=True, related_name="invitations"
    )
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    email = models.EmailField("E-mail address")  # lower-case, services see to it
    role = models.CharField(max_length=10)
    token_hash = models.CharField(max_length=64)
    created_at = models.DateTimeField()
    mailed_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "email"],
                condition=models.Q(workspace=None, accepted_at=None, revoked_at=None),
                name="invitation_pending_once_in_organization",
            ),
            models.UniqueConstraint(
                fields=["workspace", "email"],
                condition=models.Q(workspace__isnull=False, accepted_at=None, revoked_at=None),
                name="invitation_pending_once_in_workspace",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    workspace=None, role__in=list(OrganizationMembership.Role.values)
                )
                | models.Q(workspace__isnull=False, role__in=list(WorkspaceMembership.Role.values)),
                name="invitation_role_of_its_scope",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email} to {self.workspace or self.organization}"

    @property
    def role_label(self) -> str:
        roles = WorkspaceMembership.Role if self.workspace_id else OrganizationMembership.Role
        return str(roles(self.role).label)

    @property
    def leads_nowhere(self) -> bool:
        return self.workspace is not None and self.workspace.status in GONE

    def is_expired(self, now: datetime) -> bool:
        return self.expires_at <= now
