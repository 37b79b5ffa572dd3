"""Members: their roles, their leaving, and who owns the organization.

Every change locks the organization's row and reads the roles again under that lock, so two Owners
who demote each other at the same moment leave one of them.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.conf import settings
from django.db import transaction

from accounts.guards import UserRefused
from accounts.models import User
from workspaces.models import Organization, OrganizationMembership, WorkspaceMembership
from workspaces.operations.lifecycle import Actor
from workspaces.permissions import OrgRole
from workspaces.services.invitations import invitations_withdraw
from workspaces.services.mails import mail_send, name_of
from workspaces.services.timeline import timeline_note
from workspaces.teams import Team


class MemberRefused(Exception):  # noqa: N818 - an expected refusal, with a sentence for the user
    pass


def member_role_change(*, team: Team, user: User, role: str, actor: Actor, now: datetime) -> bool:
    """At once, in open sessions too, and by mail to them; False when they have that role."""
    before = _change(team, user, role, actor, now)
    if before:
        _mail(team, user, actor, "member_role", before=before, role=role)
    return bool(before)


def member_remove(*, team: Team, user: User, actor: Actor, now: datetime) -> None:
    """Out of the workspace; or out of the organization, and so out of each of its workspaces."""
    with transaction.atomic():
        before = _locked_role(team, user)
        _check_hands(team, actor, "remove", before)
        _take_out(team, user, before, actor, now)
        _note(team, user, actor, "member.remove", before=before)
    _mail(team, user, actor, "member_removed", before=before)


@transaction.atomic
def member_leave(*, team: Team, user: User, now: datetime) -> None:
    """By oneself, as whatever one is there but the last Owner. What one made there stays."""
    before, actor = _locked_role(team, user), Actor(user)
    _take_out(team, user, before, actor, now)
    _note(team, user, actor, "member.leave", before=before)


def ownership_transfer(
    *, organization: Organization, user: User, actor: Actor, now: datetime
) -> None:
    """The actor, an Owner, hands over to another member and becomes an Admin."""
    team = Team(organization)
    before = _hand_over(team, user, actor, now)
    _mail(team, user, actor, "member_role", before=before, role=OrgRole.OWNER)


@transaction.atomic
def _change(team: Team, user: User, role: str, actor: Actor, now: datetime) -> str:
    """The role before; empty when it is the same."""
    before = _locked_role(team, user)
    if before == role:
        return ""
    _check_hands(team, actor, "change", before, role)
    _set_role(team, user, role)
    _check_owner_left(team, before)
    invitations_withdraw(team=team, user=user, actor=actor, now=now)
    _note(team, user, actor, "member.change", before=before, after=role)
    return before


def _take_out(team: Team, user: User, before: str, actor: Actor, now: datetime) -> None:
    team.memberships().filter(user=user).delete()
    if team.workspace is None:
        _check_owner_left(team, before)
        WorkspaceMembership.objects.filter(
            workspace__organization=team.organization, user=user
        ).delete()
    invitations_withdraw(team=team, user=user, actor=actor, now=now, is_leaving=True)


@transaction.atomic
def _hand_over(team: Team, user: User, actor: Actor, now: datetime) -> str:
    before = _locked_role(team, user)
    giver = actor.user
    if giver is None or team.role_of(giver) != OrgRole.OWNER:
        raise MemberRefused("Only an Owner can hand over the organization.")
    if giver == user:
        raise MemberRefused("You own this organization already.")
    _set_role(team, user, OrgRole.OWNER)
    _set_role(team, giver, OrgRole.ADMIN)
    invitations_withdraw(team=team, user=giver, actor=actor, now=now)
    _note(team, user, actor, "organization.transfer", before=before, after=OrgRole.OWNER)
    _note(team, giver, actor, "member.change", before=OrgRole.OWNER, after=OrgRole.ADMIN)
    return before


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
    if not team.memberships().filter(role=OrgRole.OWNER, user__is_active=True).exists():
        raise MemberRefused(f"{team.name} needs an Owner. Make somebody else an Owner first.")


def owners_stay_check(*, users: Collection[User]) -> None:
    """Raises UserRefused where an organization would have no Owner who can sign in, if ``users``
    were deleted or deactivated. In a transaction it holds until that ends."""
    owned = Organization.objects.filter(
        memberships__user__in=users, memberships__role=OrgRole.OWNER
    )
    locked = Organization.objects.select_for_update().filter(pk__in=owned.values("pk"))
    orphans = [
        organization.name
        for organization in locked
        if not OrganizationMembership.objects.filter(
            organization=organization, role=OrgRole.OWNER, user__is_active=True
        ).exclude(user__in=users)
    ]
    if orphans:
        raise UserRefused(
            f"{', '.join(orphans)} would have no Owner any more. Make somebody else an Owner first."
        )


def _note(
    team: Team, user: User, actor: Actor, action: str, *, before: str, after: str = ""
) -> None:
    """``before`` and ``after`` are roles."""
    timeline_note(
        team.workspace or team.organization,
        user,
        actor,
        action,
        before={"role": team.label_of(before)},
        after={"role": team.label_of(after)} if after else None,
    )


def _mail(team: Team, user: User, actor: Actor, name: str, *, before: str, role: str = "") -> None:
    """After the commit, to whom something was done; not to whoever did it themselves."""
    if user == actor.user or not user.is_active:
        return
    context = {
        "team": team,
        "by": name_of(actor),
        "before": team.label_of(before),
        "role": team.label_of(role) if role else "",
        "url": f"{settings.PUBLIC_URL}{team.home_url}",
    }
    mail_send(f"workspaces/email/{name}", to=user.email, context=context)
