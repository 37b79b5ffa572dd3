"""A team: the people of an organization, or of one workspace in it.

Both have members with roles, invitations and a page; here is what differs between them. Rights
are never kept: each request, and each service under its lock, reads the role from the rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.urls import reverse

from accounts.models import User
from workspaces.models import (
    Invitation,
    Organization,
    OrganizationMembership,
    Workspace,
    WorkspaceMembership,
)
from workspaces.models.invitations import GONE, InvitationQuerySet
from workspaces.permissions import OrgRole, Role, organization_role, role_may, workspace_role


@dataclass(frozen=True)
class Team:
    organization: Organization
    workspace: Workspace | None = None

    @property
    def name(self) -> str:
        return (self.workspace or self.organization).name

    @property
    def uuid(self) -> UUID:
        return (self.workspace or self.organization).uuid

    @property
    def kind(self) -> str:
        return "workspace" if self.workspace else "organization"

    @property
    def home_url(self) -> str:
        if self.workspace:
            return reverse("workspaces:detail", args=[self.workspace.uuid])
        return reverse("dashboard", args=[self.organization.uuid])

    def url(self, page: str, *args: UUID) -> str:
        """The address of one of this team's pages: ``url("invite")``, ``url("role", uuid)``."""
        return reverse(f"members:{self.kind}_{page}", args=[self.uuid, *args])

    # Roles --------------------------------------------------------------------------------------

    @property
    def roles(self) -> list[tuple[str, str]]:
        """Value and label, the one that may most first."""
        return list(Role.choices if self.workspace else OrgRole.choices)

    @property
    def least_role(self) -> str:
        return self.roles[-1][0]

    def label_of(self, role: str) -> str:
        return dict(self.roles)[role]

    def role_of(self, user: User) -> str | None:
        """With what the organization gives in each of its workspaces."""
        if self.workspace:
            return workspace_role(user, self.workspace)
        return organization_role(user, self.organization)

    def may(self, role: str | None, verb: str) -> bool:
        """``may(role, "invite")`` asks for "member.invite" or "organization_member.invite"."""
        return role_may(role, f"{'' if self.workspace else 'organization_'}member.{verb}")

    def grantable(self, role: str | None) -> list[tuple[str, str]]:
        """The roles somebody of ``role`` may give; only an Owner makes or changes an Owner."""
        if not self.may(role, "change"):
            return []
        if self.workspace or role == OrgRole.OWNER:
            return self.roles
        return [choice for choice in self.roles if choice[0] != OrgRole.OWNER]

    # Rows ---------------------------------------------------------------------------------------

    def memberships(self) -> QuerySet[Any]:  # of either kind of membership
        if self.workspace:
            return WorkspaceMembership.objects.filter(workspace=self.workspace)
        return OrganizationMembership.objects.filter(organization=self.organization)

    def invitations(self) -> InvitationQuerySet:
        """To this very team: an organization's do not hold those to its workspaces."""
        return Invitation.objects.filter(organization=self.organization, workspace=self.workspace)

    def managed_invitations(self) -> InvitationQuerySet:
        """Those its managers see and revoke: an organization's hold all of its workspaces too."""
        if self.workspace:
            return self.invitations()
        return Invitation.objects.filter(organization=self.organization)

    def people_by_organization(self) -> QuerySet[OrganizationMembership]:
        """Admins of a workspace because they manage its organization, without an own membership."""
        managers = OrganizationMembership.objects.filter(
            organization=self.organization, role__in=(OrgRole.OWNER, OrgRole.ADMIN)
        )
        if self.workspace is None:
            return managers.none()
        own = WorkspaceMembership.objects.filter(workspace=self.workspace).values("user")
        return managers.exclude(user__in=own)


def matching(words: str) -> Q:
    """People whose name or e-mail address holds every one of the words."""
    found = Q()
    for word in words.split():
        found &= (
            Q(user__email__icontains=word)
            | Q(user__first_name__icontains=word)
            | Q(user__last_name__icontains=word)
        )
    return found


def team_of(invitation: Invitation) -> Team:
    return Team(invitation.organization, invitation.workspace)


@dataclass(frozen=True)
class Place:
    """A team somebody is in by a membership of their own, and as what."""

    team: Team
    role: str
    joined_at: datetime


def places_of(user: User) -> list[tuple[Place, list[Place]]]:
    """Each organization with its workspaces."""
    inner: dict[int, list[Place]] = {}
    own = WorkspaceMembership.objects.filter(user=user).exclude(workspace__status__in=GONE)
    for row in own.select_related("workspace__organization").order_by("workspace__name"):
        place = Place(
            Team(row.workspace.organization, row.workspace), row.get_role_display(), row.created_at
        )
        inner.setdefault(row.workspace.organization.pk, []).append(place)
    rows = OrganizationMembership.objects.filter(user=user).select_related("organization")
    return [
        (
            Place(Team(row.organization), row.get_role_display(), row.created_at),
            inner.get(row.organization.pk, []),
        )
        for row in rows.order_by("organization__name")
    ]
