"""What the shell around every page shows: theme, organizations, menu."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from accounts.models import User
from workspaces.models import Organization, OrganizationMembership, Workspace
from workspaces.permissions import role_may

THEMES = ("light", "dark", "auto")


@dataclass(frozen=True)
class Entry:
    label: str
    icon: str
    url: str
    is_current: bool = False


# Label, icon, URL name, right; in the order of the documents (V28).
ORGANIZATION_ENTRIES = (
    ("Dashboard", "layout-dashboard", "dashboard", "organization.view"),
    ("Workspaces", "stack-2", "workspaces:list", "workspace.list"),
    ("Cloud Configuration", "cloud", "clouds:list", "cloud_configuration.view"),
    ("Users", "users", "members:organization_list", "organization_member.view"),
    ("Timeline", "history", "timeline:organization", "organization_timeline.view"),
    ("Documentation", "help-circle", "help", ""),
)
WORKSPACE_ENTRIES = (
    ("My Notebook", "brand-python", "my_notebook:page", "notebook.create"),
    ("Notebooks", "notebook", "notebooks:list", "notebook.view"),
    ("Jobs", "player-play", "jobs:list", "job.view"),
    ("Clusters", "server-2", "clusters:list", "cluster.view"),
    ("Files", "folder", "files:list", "file.view"),
    ("Users", "users", "members:workspace_list", "member.view"),
    ("Timeline", "history", "timeline:workspace", "timeline.view"),
    ("Workspace Settings", "settings", "settings:notebooks", "notebook.view"),
    ("Workspace details", "info-circle", "workspaces:detail", "workspace.view"),
)
PERSONAL_ENTRIES = (
    ("Organizations", "building", "own_memberships"),
    ("Change password", "key", "account_change_password"),
    ("Sessions", "devices", "usersessions_list"),
)


def shell(request: HttpRequest) -> dict[str, Any]:
    """Everything under ``shell`` in templates; costs one query for whoever is signed in."""
    theme = request.COOKIES.get("theme")
    context: dict[str, Any] = {
        "theme": theme if theme in THEMES else "auto",
        "home_url": link("home") or "/",
        "has_mailbox": settings.HAS_MAILBOX,
        "support_email": settings.SUPPORT_EMAIL,
        "organization": None,
        "workspace": None,
        "entries": [],
    }
    user = getattr(request, "user", AnonymousUser())
    if user.is_authenticated:
        context |= _signed_in(request, cast("User", user))
    return {"shell": context}


def link(name: str, **kwargs: object) -> str:
    """The address of a URL name, empty when no page carries it."""
    try:
        return reverse(name, kwargs=kwargs or None)
    except NoReverseMatch:
        return ""


def _signed_in(request: HttpRequest, user: User) -> dict[str, Any]:
    memberships = list(
        OrganizationMembership.objects.filter(user=user)
        .select_related("organization")
        .order_by("organization__name")
    )
    workspace: Workspace | None = getattr(request, "workspace", None)
    current = _current_membership(request, memberships)
    organization = getattr(request, "organization", None) or (
        current.organization if current else None
    )
    return {
        "organization": organization,
        "workspace": workspace,
        "organizations": [_choice(row.organization, organization) for row in memberships],
        "entries": (
            _workspace_entries(request, workspace)
            if workspace
            else _organization_entries(request, organization, current)
        ),
        "personal": [
            Entry(label, icon, link(name), _is_current(request, name))
            for label, icon, name in PERSONAL_ENTRIES
            if link(name)
        ],
    }


def _current_membership(
    request: HttpRequest, memberships: list[OrganizationMembership]
) -> OrganizationMembership | None:
    """That of the page's organization; on personal pages of the last one, or the first."""
    scoped = getattr(request, "organization", None)
    wanted = str(scoped.uuid) if scoped else request.session.get("organization")
    for row in memberships:
        if str(row.organization.uuid) == wanted:
            return row
    return None if scoped or not memberships else memberships[0]


def _choice(organization: Organization, current: Organization | None) -> Entry:
    url = link("dashboard", organization=organization.uuid)
    return Entry(organization.name, "building", url, organization == current)


def _organization_entries(
    request: HttpRequest,
    organization: Organization | None,
    membership: OrganizationMembership | None,
) -> list[Entry]:
    role = membership.role if membership else None
    entries = []
    for label, icon, name, action in ORGANIZATION_ENTRIES:
        if action and (organization is None or not role_may(role, action)):
            continue
        url = link(name, organization=organization.uuid) if action and organization else link(name)
        if url:
            entries.append(Entry(label, icon, url, _is_current(request, name)))
    return entries


def _workspace_entries(request: HttpRequest, workspace: Workspace) -> list[Entry]:
    role = getattr(request, "role", None)
    entries = [
        Entry(label, icon, url, _is_current(request, name))
        for label, icon, name, action in WORKSPACE_ENTRIES
        if role_may(role, action) and (url := link(name, workspace=workspace.uuid))
    ]
    back = link("workspaces:list", organization=workspace.organization.uuid)
    if back:
        entries.append(Entry("Back to organization", "arrow-left", back))
    return entries


def _is_current(request: HttpRequest, name: str) -> bool:
    """The page itself, or any page of the same namespace: a form lights up its list."""
    match = request.resolver_match
    if match is None:
        return False
    namespace = name.rpartition(":")[0]
    return match.namespace == namespace if namespace else match.view_name == name
