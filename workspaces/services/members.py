"""Members: their roles, their leaving, and who owns the organization.

Every change locks the organization's row and reads the roles again under that lock, so two Owners
who demote each other at the same moment leave one of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from accounts.models import User
from workspaces.models import Organization, WorkspaceMembership
from workspaces.operations.lifecycle import Actor
from workspaces.permissions import OrgRole
from workspaces.services.invitations import NAME_LENGTH, invitations_withdraw
from workspaces.services.timeline import timeline_record
from workspaces.teams import Team


class MemberRefused(Exception):  # noqa: N818 - an expected refusal, with a sentence for the user
    pass


@transaction.atomic
def member_role_change(*, team: Team, user: User, role: str, actor: Actor, now: datetime) -> bool:
    """At once, in open sessions too; False when they have that role already."""
    before = _locked_role(team, user)
    if before == role:
        return False
    _check_hands(team, actor, "change", before, role)
    _set_role(team, user, role)
    _check_owner_left(team, before)
    invitations_withdraw(team=team, user=user, actor=actor, now=now)
    _note_change(team, user, actor, "member.change", before, role)
    return True


@transaction.atomic
def member_remove(*, team: Team, user: User, actor: Actor, now: datetime) -> None:
    """Out of the workspace; or out of the organization, and so out of each of its workspaces."""
    before = _locked_role(team, user)
    _check_hands(team, actor, "remove", before)
    team.memberships().filter(user=user).delete()
    if team.workspace is None:
        _check_owner_left(team, before)
        WorkspaceMembership.objects.filter(
            workspace__organization=team.organization, user=user
        ).delete()
    invitations_withdraw(team=team, user=user, actor=actor, now=now, is_leaving=True)
    _note(team, user, actor, "member.remove", before={"role": team.label_of(before)})


@transaction.atomic
def ownership_transfer(
    *, organization: Organization, user: User, actor: Actor, now: datetime
) -> None:
    """The actor, an Owner, hands over to another member and becomes an Admin."""
    team = Team(organization)
    before = _locked_role(team, user)
    giver = actor.user
    if giver is None or team.role_of(giver) != OrgRole.OWNER:
        raise MemberRefused("Only an Owner can hand over the organization.")
    if giver == user:
        raise MemberRefused("You own this organization already.")
    _set_role(team, user, OrgRole.OWNER)
    _set_role(team, giver, OrgRole.ADMIN)
    invitations_withdraw(team=team, user=giver, actor=actor, now=now)
    _note_change(team, user, actor, "organization.transfer", before, OrgRole.OWNER)
    _note_change(team, giver, actor, "member.change", OrgRole.OWNER, OrgRole.ADMIN)


def _locked_role(team: Team, user: User) -> str:
    """The role in this very team, while nobody else changes one in the organization."""
    Organization.objects.select_for_update().get(pk=team.organization.pk)
    role = team.memberships().filter(user=user).values_list("role", flat=True).first()
    if role is None:
        raise MemberRefused(f"{user.email} is not a member of {team.name}.")
    return str(role)


def _set_role(team: Team, user: User, role: str) -> None:
    team.memberships().filter(user=user).update(role=role)


def _check_hands(team: Team, actor: Actor, verb: str, *roles: str) -> None:
    """May the actor give and take these roles, by what they are now and not when the page came?"""
    if actor.user is None:
        return
    own = team.role_of(actor.user)
    if not team.may(own, verb):
        raise MemberRefused(f"Your role in {team.name} does not allow that any more.")
    if not set(roles) <= set(dict(team.grantable(own))):
        raise MemberRefused("Only an Owner can make, change or remove an Owner.")


def _check_owner_left(team: Team, before: str) -> None:
    """After the change of an Owner, in its transaction, which a refusal undoes."""
    if team.workspace or before != OrgRole.OWNER:
        return
    if not team.memberships().filter(role=OrgRole.OWNER).exists():
        raise MemberRefused(f"{team.name} needs an Owner. Make somebody else an Owner first.")


def _note_change(
    team: Team, user: User, actor: Actor, action: str, before: str, after: str
) -> None:
    _note(
        team,
        user,
        actor,
        action,
        before={"role": team.label_of(before)},
        after={"role": team.label_of(after)},
    )


def _note(
    team: Team,
    user: User,
    actor: Actor,
    action: str,
    *,
    before: Mapping[str, object],
    after: Mapping[str, object] | None = None,
) -> None:
    timeline_record(
        organization=team.organization,
        workspace=team.workspace,
        actor=actor,
        action=action,
        target_uuid=user.uuid,
        target_name=user.email[:NAME_LENGTH],
        before=before,
        after=after,
    )
