"""Pages that join everything: sign-up, dashboard, help, and the answers when something is wrong."""

from __future__ import annotations

import sys
from http import HTTPStatus
from typing import cast

from allauth.account.internal.flows.signup import complete_signup
from allauth.decorators import rate_limit
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.models import User
from bodoweb.context_processors import THEMES
from bodoweb.dashboard import onboarding_steps, what_runs
from bodoweb.middleware import busy_response
from workspaces.forms import SignupForm
from workspaces.models import Organization, Workspace
from workspaces.permissions import (
    HtmxOrgRequest,
    organization_view,
    public_view,
    signed_in_view,
)
from workspaces.roles import role_table

YEAR_SECONDS = 365 * 24 * 3600


@public_view
@sensitive_post_parameters("password1", "password2")
@never_cache
@rate_limit(action="signup")  # type: ignore[no-untyped-call,untyped-decorator]  # allauth's
@require_http_methods(["GET", "HEAD", "POST"])
def signup(request: HttpRequest) -> HttpResponse:
    """F003-F006. A known e-mail address gets the very answer of a new one."""
    if request.user.is_authenticated:
        return redirect("home")
    form = SignupForm(request.POST or None)
    if form.is_valid():
        user, known = form.try_save(request)
        if user or known:
            return known or complete_signup(request, user=user)
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.is_bound else HTTPStatus.OK
    return render(request, "account/signup.html", {"form": form}, status=status)


@signed_in_view
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """On to the organization of last time, or the first; each request is scoped to one (F013)."""
    organizations = Organization.objects.visible_to(cast("User", request.user))
    last = request.session.get("organization")
    organization = organizations.filter(uuid=last).first() if last else None
    organization = organization or organizations.first()
    if organization is None:
        return render(request, "bodoweb/no_organization.html")
    return redirect("dashboard", organization=organization.uuid)


@organization_view("organization.view")
@require_GET
def dashboard(request: HtmxOrgRequest, organization: Organization) -> HttpResponse:
    workspaces = Workspace.objects.live().visible_to(request.user)
    mine = workspaces.filter(organization=organization)
    steps = onboarding_steps(organization, mine, request.role)
    return render(
        request,
        "bodoweb/dashboard.html",
        {
            "organization": organization,
            "steps": steps,
            "done_count": sum(step.is_done for step in steps),
            "workspaces": mine,
            "now": what_runs(mine, timezone.now()),
        },
    )


@signed_in_view
@require_GET
def help_page(request: HttpRequest) -> HttpResponse:
    """How to begin, and who may do what, drawn from the table that decides it (K13)."""
    return render(
        request,
        "bodoweb/help.html",
        {
            "organization_roles": role_table("organization"),
            "workspace_roles": role_table("workspace"),
            "upload_mib": settings.UPLOAD_MIB,
        },
    )


@public_view
@require_GET
def terms(request: HttpRequest) -> HttpResponse:
    return render(request, "bodoweb/terms.html", {"version": settings.TERMS_VERSION})


@public_view
@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """The choice lives in a cookie, so the server draws the right theme at once."""
    target = request.POST.get("next", "/")
    if not url_has_allowed_host_and_scheme(target, {request.get_host()}):
        target = "/"
    response = redirect(target)
    if request.POST.get("theme") in THEMES:
        response.set_cookie(
            "theme",
            request.POST["theme"],
            max_age=YEAR_SECONDS,
            secure=settings.IS_HTTPS,
            httponly=True,
            samesite="Lax",
        )
    return response


# Error pages: static, and drawn without a query where the database may be what is wrong ---------


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _error_page(request, "400.html", HTTPStatus.BAD_REQUEST)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _error_page(request, "403.html", HTTPStatus.FORBIDDEN)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _error_page(request, "404.html", HTTPStatus.NOT_FOUND)


def server_error(request: HttpRequest) -> HttpResponse:
    error = sys.exc_info()[1]
    if isinstance(error, OperationalError | InterfaceError):
        return busy_response(request, error)
    return _error_page(request, "500.html", HTTPStatus.INTERNAL_SERVER_ERROR)


def _error_page(request: HttpRequest, template: str, status: HTTPStatus) -> HttpResponse:
    theme = request.COOKIES.get("theme")
    context = {"shell": {"theme": theme if theme in THEMES else "auto"}}
    return HttpResponse(render_to_string(template, context), status=status)
