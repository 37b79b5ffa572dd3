"""Invitations: sent by mail, accepted once by whoever owns the address, or taken back."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.urls import reverse

from accounts.models import User
from workspaces.models import Invitation, Organization, OrganizationMembership
from workspaces.models.invitations import GONE
from workspaces.models.workspaces import WorkspaceMembership
from workspaces.operations.lifecycle import Actor
from workspaces.permissions import OrgRole
from workspaces.services.mails import mail_send, name_of
from workspaces.services.timeline import timeline_note
from workspaces.teams import Team, team_of

RESEND_PAUSE = timedelta(minutes=1)


class InvitationRefused(Exception):  # noqa: N818 - an expected refusal, with a sentence for the user
    pass


def invitation_create(
    *, team: Team, email: str, role: str, actor: Actor, now: datetime
) -> Invitation:
    """Invite and mail the link. Says the same whether the address has an account or not.

    Raises InvitationRefused for a role the actor can not give, a member, or a pending invitation.
    """
    try:
        invitation, secret = _create(team, email.strip().lower(), role, actor, now)
    except IntegrityError as error:  # somebody else invited them at the same moment
        raise InvitationRefused(_pending_sentence(email)) from error
    _mail(invitation, secret, actor, now)
    return invitation


@transaction.atomic
def _create(
    team: Team, email: str, role: str, actor: Actor, now: datetime
) -> tuple[Invitation, str]:
    Organization.objects.select_for_update().get(pk=team.organization.pk)
    _check_alive(team)
    _check_grant(team, role, actor)
    person = User.objects.filter(email=email).first()
    if person and team.role_of(person):
        raise InvitationRefused(f"{email} is a member already.")
    _check_pending(team, email, now)
    secret = secrets.token_urlsafe(32)
    invitation = Invitation.objects.create(
        organization=team.organization,
        workspace=team.workspace,
        invited_by=actor.user,
        email=email,
        role=role,
        token_hash=_hash(secret),
        created_at=now,
        expires_at=now + timedelta(days=settings.INVITATION_DAYS),
    )
    _note(invitation, actor, "invitation.create", after={"role": invitation.role_label})
    return invitation, secret


def invitation_resend(*, invitation: Invitation, actor: Actor, now: datetime) -> None:
    """A new secret and a new week; the link of the earlier mail is dead from now on."""
    secret = _renew(invitation, actor, now)
    _mail(invitation, secret, actor, now)


@transaction.atomic
def _renew(invitation: Invitation, actor: Actor, now: datetime) -> str:
    Organization.objects.select_for_update().get(pk=invitation.organization.pk)
    _check_alive(team_of(invitation))
    _check_grant(team_of(invitation), invitation.role, actor)
    if invitation.mailed_at and now - invitation.mailed_at < RESEND_PAUSE:
        raise InvitationRefused("The last mail is not a minute old. Give it a moment.")
    secret = secrets.token_urlsafe(32)
    renewed = Invitation.objects.pending().filter(
        pk=invitation.pk, token_hash=invitation.token_hash
    )
    if not renewed.update(
        token_hash=_hash(secret),
        invited_by=actor.user,
        mailed_at=None,
        expires_at=now + timedelta(days=settings.INVITATION_DAYS),
    ):
        raise InvitationRefused("This invitation is not pending any more.")
    invitation.refresh_from_db()
    _note(invitation, actor, "invitation.resend")
    return secret


@transaction.atomic
def invitation_revoke(
    *, invitation: Invitation, actor: Actor, now: datetime, reason: str = ""
) -> bool:
    """The link is dead at once; False when it was accepted or revoked before."""
    pending = Invitation.objects.pending().filter(pk=invitation.pk)
    if not pending.update(revoked_at=now):
        return False
    invitation.refresh_from_db()
    _note(invitation, actor, "invitation.revoke", reason=reason)
    return True


@transaction.atomic
def invitation_accept(*, invitation: Invitation, user: User, now: datetime) -> Team:
    """Join the team. The first use counts; once more, by the same person, changes nothing.

    Raises InvitationRefused when it is another's, expired, revoked, or was used.
    """
    if user.email.lower() != invitation.email:
        raise InvitationRefused("This invitation was sent to another e-mail address.")
    Organization.objects.select_for_update().get(pk=invitation.organization.pk)
    team = team_of(invitation)
    usable = Invitation.objects.usable(now).filter(
        pk=invitation.pk, token_hash=invitation.token_hash
    )
    if not usable.update(accepted_at=now):
        invitation.refresh_from_db()
        if invitation.accepted_at and team.role_of(user):
            return team
        raise InvitationRefused(why_unusable(invitation, now))
    invitation.refresh_from_db()
    _join(invitation, user)
    _note(invitation, Actor(user), "invitation.accept", after={"role": invitation.role_label})
    return team


def invitation_matches(invitation: Invitation, secret: str) -> bool:
    """In a time that tells nothing about how much of the secret was right."""
    return hmac.compare_digest(invitation.token_hash, _hash(secret))


def why_unusable(invitation: Invitation, now: datetime) -> str:
    """The sentence for whoever holds its link; empty while it can be accepted."""
    if invitation.accepted_at:
        return "This invitation was used already."
    if invitation.revoked_at:
        return "This invitation was taken back."
    if invitation.leads_nowhere:
        return "The workspace of this invitation was removed."
    if invitation.is_expired(now):
        return "This invitation has expired. Ask for a new one."
    return ""


@transaction.atomic
def invitations_withdraw(
    *, team: Team, user: User, actor: Actor, now: datetime, is_leaving: bool = False
) -> None:
    """After a role changed or went away: no link outlives the right behind it.

    Ends the invitations to ``user`` (or an old mail could undo the change), and those they sent
    and could not send any more.
    """
    ours = team.managed_invitations() if is_leaving else team.invitations()
    to_user = ours.filter(email=user.email.lower())
    sent = Invitation.objects.filter(organization=team.organization, invited_by=user)
    doomed = list(to_user.pending())
    for invitation in sent.pending().select_related("organization", "workspace__organization"):
        theirs = team_of(invitation)
        if invitation.role not in dict(theirs.grantable(theirs.role_of(user))):
            doomed.append(invitation)
    for invitation in doomed:
        invitation_revoke(
            invitation=invitation, actor=actor, now=now, reason=f"The role of {user.email} changed"
        )


def _join(invitation: Invitation, user: User) -> None:
    """F023: whoever joins a workspace from outside becomes the organization's minimal member.

    An invitation never takes anything away from somebody who came in another way meanwhile.
    """
    organization_role = OrgRole.MEMBER.value if invitation.workspace else invitation.role
    joined, _ = OrganizationMembership.objects.get_or_create(
        organization=invitation.organization, user=user, defaults={"role": organization_role}
    )
    _raise_to(Team(invitation.organization), joined, organization_role)
    if invitation.workspace:
        member, _ = WorkspaceMembership.objects.get_or_create(
            workspace=invitation.workspace, user=user, defaults={"role": invitation.role}
        )
        _raise_to(team_of(invitation), member, invitation.role)


def _raise_to(
    team: Team, membership: OrganizationMembership | WorkspaceMembership, role: str
) -> None:
    order = [value for value, _ in team.roles]
    if order.index(role) < order.index(membership.role):
        membership.role = role
        membership.save(update_fields=["role"])


def _check_alive(team: Team) -> None:
    if team.workspace and team.workspace.status in GONE:
        raise InvitationRefused(f"{team.name} is being removed.")


def _check_grant(team: Team, role: str, actor: Actor) -> None:
    if actor.user and role not in dict(team.grantable(team.role_of(actor.user))):
        raise InvitationRefused(f"You can not invite anybody as {team.label_of(role)}.")


def _check_pending(team: Team, email: str, now: datetime) -> None:
    today = Invitation.objects.filter(
        organization=team.organization, created_at__gt=now - timedelta(days=1)
    )
    if today.count() >= settings.INVITATIONS_PER_DAY:
        raise InvitationRefused("Your organization sent too many invitations today.")
    for earlier in team.invitations().pending().filter(email=email):
        if not earlier.is_expired(now):
            raise InvitationRefused(_pending_sentence(email))
        Invitation.objects.pending().filter(pk=earlier.pk).update(revoked_at=now)


def _pending_sentence(email: str) -> str:
    return f"{email} is invited already. Send that invitation again, or revoke it."


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _mail(invitation: Invitation, secret: str, actor: Actor, now: datetime) -> None:
    """After the commit. A mail server that is down leaves ``mailed_at`` empty; RESEND helps."""
    context = {
        "inviter": name_of(actor),
        "invitation": invitation,
        "url": settings.PUBLIC_URL + reverse("members:invitation", args=[invitation.uuid, secret]),
    }
    if mail_send("workspaces/email/invitation", to=invitation.email, context=context):
        Invitation.objects.filter(pk=invitation.pk).update(mailed_at=now)
        invitation.mailed_at = now


def _note(
    invitation: Invitation,
    actor: Actor,
    action: str,
    *,
    reason: str = "",
    after: dict[str, object] | None = None,
) -> None:
    scope = invitation.workspace or invitation.organization
    timeline_note(scope, invitation, actor, action, reason=reason, after=after)
