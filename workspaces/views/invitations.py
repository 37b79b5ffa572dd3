"""Behind the link of an invitation: sign up with it, or accept it."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from allauth.account.internal.flows.signup import complete_signup
from allauth.decorators import rate_limit
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts.models import User
from workspaces.member_forms import InvitationSignupForm
from workspaces.models import Invitation
from workspaces.permissions import public_view
from workspaces.services import (
    InvitationRefused,
    invitation_accept,
    invitation_matches,
    why_unusable,
)
from workspaces.teams import team_of

UNKNOWN = "Perhaps a newer mail has replaced it. Ask whoever invited you for a new one."
KNOWN_ADDRESS = "There is an account with this address already. Sign in to accept."


@public_view
@sensitive_post_parameters("password1", "password2")
@never_cache
@rate_limit(action="signup")  # type: ignore[no-untyped-call,untyped-decorator]  # allauth's
@require_http_methods(["GET", "HEAD", "POST"])
def invitation_page(request: HttpRequest, invitation: UUID, secret: str) -> HttpResponse:
    """A wrong secret and an unknown invitation get the same answer; a GET accepts nothing."""
    rows = Invitation.objects.select_related("organization", "workspace__organization")
    found = rows.filter(uuid=invitation).first()
    if found is None or not invitation_matches(found, secret):
        return _gone(request, UNKNOWN)
    user = request.user if request.user.is_authenticated else None
    if user and user.email.lower() != found.email:
        return render(request, "workspaces/invitation_other.html", status=HTTPStatus.FORBIDDEN)
    if reason := why_unusable(found, timezone.now()):
        if found.accepted_at and user and team_of(found).role_of(user):
            return redirect(team_of(found).home_url)
        return _gone(request, reason)
    return _accept(request, found, user) if user else _sign_up(request, found)


def _accept(request: HttpRequest, invitation: Invitation, user: User) -> HttpResponse:
    if request.method != "POST":
        context = {"invitation": invitation, "team": team_of(invitation)}
        return render(request, "workspaces/invitation_accept.html", context)
    try:
        team = invitation_accept(invitation=invitation, user=user, now=timezone.now())
    except InvitationRefused as error:
        return _gone(request, str(error))
    messages.success(request, f"Welcome to {team.name}.")
    return redirect(team.home_url)


def _sign_up(request: HttpRequest, invitation: Invitation) -> HttpResponse:
    """The page is the same for an address with an account and without one."""
    form = InvitationSignupForm(request.POST or None, invitation=invitation)
    team = team_of(invitation)
    if request.method == "POST" and form.is_valid():
        try:
            user, _ = form.try_save(request)
        except InvitationRefused as error:
            return _gone(request, str(error))
        if user:
            messages.success(request, f"Welcome to {team.name}.")
            response: HttpResponse = complete_signup(request, user=user, redirect_url=team.home_url)
            return response
        form.add_error(None, KNOWN_ADDRESS)
    status = HTTPStatus.UNPROCESSABLE_ENTITY if request.method == "POST" else HTTPStatus.OK
    return render(
        request,
        "workspaces/invitation_signup.html",
        {"form": form, "invitation": invitation, "team": team},
        status=status,
    )


def _gone(request: HttpRequest, reason: str) -> HttpResponse:
    context = {"reason": reason}
    return render(request, "workspaces/invitation_gone.html", context, status=HTTPStatus.GONE)
