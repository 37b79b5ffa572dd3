"""Who may do what: one table, one question, one decorator per scope (K13, K14).

Every view names its action, or says that it is public, personal or for operators; a test walks
the URLconf and fails where a view says nothing. A stranger gets 404 for everything in an
organization or workspace, a member without the right 403.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, Concatenate, cast
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django_htmx.middleware import HtmxDetails

from accounts.models import User
from workspaces.models import (
    Organization,
    OrganizationMembership,
    Workspace,
    WorkspaceMembership,
)

OrgRole = OrganizationMembership.Role
Role = WorkspaceMembership.Role

_EVERYBODY = frozenset(OrgRole.values)
_MANAGERS = frozenset({OrgRole.OWNER.value, OrgRole.ADMIN.value})

ORGANIZATION_ACTIONS: dict[str, frozenset[str]] = {
    "organization.view": _EVERYBODY,
    "organization.transfer": frozenset({OrgRole.OWNER.value}),
    "organization_member.view": _MANAGERS,
    "organization_member.invite": _MANAGERS,
    "organization_member.change": _MANAGERS,
    "organization_member.remove": _MANAGERS,
    "organization_member.leave": _EVERYBODY,
    "organization_timeline.view": _MANAGERS,
    "cloud_configuration.view": _MANAGERS,
    "cloud_configuration.create": _MANAGERS,
    "cloud_configuration.change": _MANAGERS,
    "cloud_configuration.remove": _MANAGERS,
    "workspace.list": _EVERYBODY,
    "workspace.create": _MANAGERS,
}

_ALL_ROLES = frozenset(Role.values)
_WORKERS = frozenset({Role.ADMIN.value, Role.MEMBER.value})
_ADMINS = frozenset({Role.ADMIN.value})

WORKSPACE_ACTIONS: dict[str, frozenset[str]] = {
    "workspace.view": _ALL_ROLES,
    "workspace.remove": _ADMINS,
    "workspace.retry": _ADMINS,
    "workspace.change": _ADMINS,
    "member.view": _ALL_ROLES,
    "member.invite": _ADMINS,
    "member.change": _ADMINS,
    "member.remove": _ADMINS,
    "member.leave": _ALL_ROLES,
    "timeline.view": _ALL_ROLES,
    "file.view": _ALL_ROLES,
    "file.write": _WORKERS,
    # One's own; what is somebody else's needs notebook.manage, and nobody opens it.
    "notebook.view": _ALL_ROLES,
    "notebook.create": _WORKERS,
    "notebook.change": _WORKERS,
    "notebook.open": _WORKERS,
    "notebook.manage": _ADMINS,
    "cluster.view": _ALL_ROLES,
    "cluster.create": _WORKERS,
    "cluster.remove": _WORKERS,
    "cluster.retry": _WORKERS,
    "cluster.change": _WORKERS,
    "job.view": _ALL_ROLES,
    "job.create": _WORKERS,
    "job.cancel": _WORKERS,
}

PUBLIC, SIGNED_IN = "public", "signed-in"


def organization_role(user: User, organization: Organization) -> str | None:
    return (
        OrganizationMembership.objects.filter(user=user, organization=organization)
        .values_list("role", flat=True)
        .first()
    )


def workspace_role(user: User, workspace: Workspace) -> str | None:
    """Owners and Admins of the organization are Admins of each of its workspaces."""
    if organization_role(user, workspace.organization) in _MANAGERS:
        return Role.ADMIN.value
    return (
        WorkspaceMembership.objects.filter(user=user, workspace=workspace)
        .values_list("role", flat=True)
        .first()
    )


def workspace_roles(pairs: Iterable[tuple[User, Workspace]]) -> dict[tuple[int, int], str]:
    """The same answer for many at once, by (user pk, workspace pk); two queries.

    Pairs without a role are missing.
    """
    wanted = {(user.pk, workspace.pk, workspace.organization_id) for user, workspace in pairs}
    people = {user for user, _, _ in wanted}
    managers = set(
        OrganizationMembership.objects.filter(
            user__in=people, organization__in={row[2] for row in wanted}, role__in=_MANAGERS
        ).values_list("user", "organization")
    )
    own = {
        (user, workspace): role
        for user, workspace, role in WorkspaceMembership.objects.filter(
            user__in=people, workspace__in={row[1] for row in wanted}
        ).values_list("user", "workspace", "role")
    }
    roles = {}
    for user, workspace, organization in wanted:
        role = Role.ADMIN.value if (user, organization) in managers else own.get((user, workspace))
        if role is not None:
            roles[user, workspace] = role
    return roles


def role_may(role: str | None, action: str) -> bool:
    """Raises KeyError for an action that no table declares: a typo must not mean "no"."""
    table = WORKSPACE_ACTIONS if action in WORKSPACE_ACTIONS else ORGANIZATION_ACTIONS
    return role in table[action]


class HtmxOrgRequest(HttpRequest):
    """What views under an organization or workspace get: a signed-in user and their role."""

    user: User  # login_required came first
    htmx: HtmxDetails
    organization: Organization
    workspace: Workspace | None
    role: str


OrganizationView = Callable[Concatenate[HtmxOrgRequest, Organization, ...], HttpResponse]
WorkspaceView = Callable[Concatenate[HtmxOrgRequest, Workspace, ...], HttpResponse]
View = Callable[..., HttpResponse]


def public_view(view: View) -> View:
    """Anybody may call it, also without an account."""
    view.action = PUBLIC  # type: ignore[attr-defined]  # read by the URL walk
    return view


def signed_in_view(view: View) -> View:
    """Whoever is signed in, about their own things."""
    guarded = never_cache(login_required(view))
    guarded.action = SIGNED_IN  # type: ignore[attr-defined]  # read by the URL walk
    return guarded


def organization_view(action: str) -> Callable[[OrganizationView], View]:
    """The view gets the organization of the URL, if the user's role there allows ``action``."""
    if action not in ORGANIZATION_ACTIONS:
        raise KeyError(action)

    def decorate(view: OrganizationView) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, organization: UUID, **kwargs: Any) -> HttpResponse:  # noqa: ANN401 - URL arguments
            found = Organization.objects.filter(uuid=organization).first()
            user = cast("User", request.user)
            role = organization_role(user, found) if found else None
            if found is None or role is None:
                raise Http404
            return _call(view, request, found, None, role, action, kwargs)

        return _finished(guarded, action)

    return decorate


def workspace_view(action: str) -> Callable[[WorkspaceView], View]:
    """The view gets the workspace of the URL, if the user's role there allows ``action``."""
    if action not in WORKSPACE_ACTIONS:
        raise KeyError(action)

    def decorate(view: WorkspaceView) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, workspace: UUID, **kwargs: Any) -> HttpResponse:  # noqa: ANN401 - URL arguments
            rows = Workspace.objects.select_related("organization", "cloud_configuration")
            found = rows.filter(uuid=workspace).first()
            user = cast("User", request.user)
            role = workspace_role(user, found) if found else None
            if found is None or role is None:
                raise Http404
            return _call(view, request, found.organization, found, role, action, kwargs)

        return _finished(guarded, action)

    return decorate


def _call(
    view: Callable[..., HttpResponse],
    request: HttpRequest,
    organization: Organization,
    workspace: Workspace | None,
    role: str,
    action: str,
    kwargs: dict[str, Any],
) -> HttpResponse:
    if not role_may(role, action):
        raise PermissionDenied
    scoped = cast("HtmxOrgRequest", request)
    scoped.organization, scoped.workspace, scoped.role = organization, workspace, role
    request.session.setdefault("organization", str(organization.uuid))
    if request.session["organization"] != str(organization.uuid):
        request.session["organization"] = str(organization.uuid)
    return view(scoped, workspace or organization, **kwargs)


def _finished(guarded: View, action: str) -> View:
    view = never_cache(login_required(guarded))
    view.action = action  # type: ignore[attr-defined]  # read by the URL walk
    return view
