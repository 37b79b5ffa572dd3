"""Pages of teams. Organization and workspace have the same ones; Team knows the difference, and
each view here stands for the two that the URLconf wants."""

from __future__ import annotations

from http import HTTPStatus
from typing import cast
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from accounts.models import User
from workspaces.member_forms import InviteForm, RoleForm, TransferForm
from workspaces.models import Invitation, Organization, OrganizationMembership
from workspaces.models.invitations import InvitationQuerySet
from workspaces.models.workspaces import WorkspaceMembership
from workspaces.operations import Actor
from workspaces.permissions import HtmxOrgRequest, organization_view, role_may, signed_in_view
from workspaces.roles import role_table
from workspaces.services import (
    InvitationRefused,
    MemberRefused,
    invitation_create,
    invitation_resend,
    invitation_revoke,
    member_leave,
    member_remove,
    member_role_change,
    ownership_transfer,
)
from workspaces.team_views import team_view
from workspaces.teams import Team, matching, places_of

PAGE_LENGTH = 50


@team_view("view")
@require_GET
def member_list(request: HtmxOrgRequest, team: Team) -> HttpResponse:
    return _page(request, team)


def _page(request: HtmxOrgRequest, team: Team, refusal: str = "") -> HttpResponse:
    words = request.GET.get("q", "").strip()
    rows = team.memberships().filter(matching(words)).select_related("user")
    page = Paginator(rows.order_by("user__email"), PAGE_LENGTH).get_page(request.GET.get("page"))
    may_transfer = team.workspace is None and role_may(request.role, "organization.transfer")
    may_invite = team.may(request.role, "invite")
    return render(
        request,
        "workspaces/member_list.html",
        {
            "team": team,
            "words": words,
            "page": page,
            "people": _people(team, list(page.object_list), request.role),
            "managers": team.people_by_organization()
            .filter(matching(words))
            .select_related("user"),
            "invitations": _pending(team) if may_invite else (),
            "may_invite": may_invite,
            "may_remove": team.may(request.role, "remove"),
            "transfer": TransferForm(team=team, giver=request.user) if may_transfer else None,
            "table": role_table(team.kind),
            "refusal": refusal,
            "now": timezone.now(),
        },
        status=HTTPStatus.UNPROCESSABLE_ENTITY if refusal else HTTPStatus.OK,
    )


def _people(
    team: Team, rows: list[OrganizationMembership | WorkspaceMembership], role: str
) -> list[dict[str, object]]:
    """Each with the roles the asker may give them; none when they may not touch that role."""
    choices = team.grantable(role)
    above: dict[int, str] = {}
    if team.workspace:
        managers = OrganizationMembership.objects.filter(
            organization=team.organization, user__in=[row.user_id for row in rows]
        ).filter(role__in=("OWNER", "ADMIN"))
        above = {manager.user_id: manager.get_role_display() for manager in managers}
    return [
        {
            "user": row.user,
            "role": row.role,
            "role_label": row.get_role_display(),
            "joined_at": row.created_at,
            "choices": choices if row.role in dict(choices) else [],
            "above": above.get(row.user_id, ""),
        }
        for row in rows
    ]


def _pending(team: Team) -> InvitationQuerySet:
    return team.managed_invitations().pending().select_related("workspace", "invited_by")


@team_view("invite")
def member_invite(request: HtmxOrgRequest, team: Team) -> HttpResponse:
    choices = team.grantable(request.role)
    form = InviteForm(request.POST or None, team=team, choices=choices)
    if request.method == "POST" and form.is_valid():
        try:
            invitation = invitation_create(
                team=team, actor=Actor(request.user), now=timezone.now(), **form.cleaned_data
            )
        except InvitationRefused as error:
            form.add_error(None, str(error))
        else:
            _tell_mailed(request, invitation)
            return redirect(team.url("list"))
    return render(
        request,
        "workspaces/member_invite.html",
        {"team": team, "form": form, "table": role_table(team.kind)},
        status=HTTPStatus.UNPROCESSABLE_ENTITY if request.method == "POST" else HTTPStatus.OK,
    )


@team_view("change")
@require_POST
def member_role(request: HtmxOrgRequest, team: Team, member: UUID) -> HttpResponse:
    row = get_object_or_404(team.memberships().select_related("user"), user__uuid=member)
    form = RoleForm(request.POST, choices=team.roles)
    if not form.is_valid():
        return _page(request, team, refusal=_first_error(form))
    role = form.cleaned_data["role"]
    try:
        changed = member_role_change(
            team=team, user=row.user, role=role, actor=Actor(request.user), now=timezone.now()
        )
    except MemberRefused as error:
        return _page(request, team, refusal=str(error))
    if changed:
        text = f"{row.user.email} is {team.label_of(role)} of {team.name} now."
        messages.success(request, text)
    return _back(request, team)


@team_view("remove")
@require_POST
def member_remove_action(request: HtmxOrgRequest, team: Team, member: UUID) -> HttpResponse:
    row = get_object_or_404(team.memberships().select_related("user"), user__uuid=member)
    try:
        member_remove(team=team, user=row.user, actor=Actor(request.user), now=timezone.now())
    except MemberRefused as error:
        return _page(request, team, refusal=str(error))
    messages.success(request, f"{row.user.email} was removed from {team.name}.")
    return _back(request, team)


@team_view("leave")
@require_POST
def member_leave_action(request: HtmxOrgRequest, team: Team) -> HttpResponse:
    try:
        member_leave(team=team, user=request.user, now=timezone.now())
    except MemberRefused as error:
        messages.error(request, str(error))
        return redirect("own_memberships")
    messages.success(request, f"You left {team.name}.")
    return redirect("own_memberships")


@signed_in_view
@require_GET
def membership_list(request: HttpRequest) -> HttpResponse:
    """Where one is a member, and the way out; also for whoever may not see the users there."""
    user = cast("User", request.user)
    return render(request, "workspaces/membership_list.html", {"places": places_of(user)})


@team_view("invite")
@require_POST
def invitation_resend_action(request: HtmxOrgRequest, team: Team, invitation: UUID) -> HttpResponse:
    row = get_object_or_404(_pending(team), uuid=invitation)
    try:
        invitation_resend(invitation=row, actor=Actor(request.user), now=timezone.now())
    except InvitationRefused as error:
        messages.error(request, str(error))
    else:
        _tell_mailed(request, row)
    return redirect(team.url("list"))


@team_view("invite")
@require_POST
def invitation_revoke_action(request: HtmxOrgRequest, team: Team, invitation: UUID) -> HttpResponse:
    row = get_object_or_404(_pending(team), uuid=invitation)
    if invitation_revoke(invitation=row, actor=Actor(request.user), now=timezone.now()):
        messages.success(request, f"The invitation to {row.email} was revoked.")
    return redirect(team.url("list"))


@organization_view("organization.transfer")
@require_POST
def organization_transfer(request: HtmxOrgRequest, organization: Organization) -> HttpResponse:
    team = Team(organization)
    form = TransferForm(request.POST, team=team, giver=request.user)
    if not form.is_valid():
        return _page(request, team, refusal=_first_error(form))
    user = form.cleaned_data["member"]
    try:
        ownership_transfer(
            organization=organization, user=user, actor=Actor(request.user), now=timezone.now()
        )
    except MemberRefused as error:
        return _page(request, team, refusal=str(error))
    messages.success(request, f"{user.email} owns {organization.name} now, and you are an Admin.")
    return redirect(team.url("list"))


def _tell_mailed(request: HtmxOrgRequest, invitation: Invitation) -> None:
    """The same words whether the address has an account or not."""
    if invitation.mailed_at:
        messages.success(request, f"An invitation is on its way to {invitation.email}.")
    else:
        text = f"{invitation.email} is invited, but the mail could not be sent. Try RESEND later."
        messages.warning(request, text)


def _back(request: HtmxOrgRequest, team: Team) -> HttpResponse:
    """To the list, unless one has just taken the right to see it from oneself."""
    return redirect(team.url("list") if team.may(team.role_of(request.user), "view") else "home")


def _first_error(form: RoleForm | TransferForm) -> str:
    return next(str(errors[0]) for errors in form.errors.values())
