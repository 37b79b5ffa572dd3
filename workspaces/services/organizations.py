from __future__ import annotations

from django.db import transaction

from accounts.models import User
from workspaces.models import Organization, OrganizationMembership
from workspaces.operations.lifecycle import Actor
from workspaces.services.timeline import timeline_note


@transaction.atomic
def organization_create(*, name: str, owner: User) -> Organization:
    """Raises IntegrityError when the name is taken, in any case of its letters."""
    organization = Organization.objects.create(name=name)
    OrganizationMembership.objects.create(
        organization=organization, user=owner, role=OrganizationMembership.Role.OWNER
    )
    timeline_note(
        organization, organization, Actor(owner), "organization.create", after={"name": name}
    )
    return organization
