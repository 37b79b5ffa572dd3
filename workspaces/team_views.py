"""Views that organizations and workspaces both have: written once, in the URLconf twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate

from django.http import HttpResponse
from django.urls import URLPattern, path

from workspaces.models import Organization, Workspace
from workspaces.permissions import HtmxOrgRequest, View, organization_view, workspace_view
from workspaces.teams import Team

TeamView = Callable[Concatenate[HtmxOrgRequest, Team, ...], HttpResponse]


@dataclass(frozen=True)
class TeamViews:
    """The same view twice: each asks for the right of its own scope."""

    of_organization: View
    of_workspace: View


def team_view(verb: str) -> Callable[[TeamView], TeamViews]:
    """``team_view("invite")`` asks for "organization_member.invite" or "member.invite"."""

    def decorate(view: TeamView) -> TeamViews:
        @wraps(view)
        def of_organization(
            request: HtmxOrgRequest,
            organization: Organization,
            **kwargs: Any,  # noqa: ANN401 - URL arguments
        ) -> HttpResponse:
            return view(request, Team(organization), **kwargs)

        @wraps(view)
        def of_workspace(
            request: HtmxOrgRequest,
            workspace: Workspace,
            **kwargs: Any,  # noqa: ANN401 - URL arguments
        ) -> HttpResponse:
            return view(request, Team(workspace.organization, workspace), **kwargs)

        return TeamViews(
            organization_view(f"organization_member.{verb}")(of_organization),
            workspace_view(f"member.{verb}")(of_workspace),
        )

    return decorate


def team_paths(route: str, views: TeamViews, name: str) -> list[URLPattern]:
    """Named as ``Team.url`` asks for them: "organization_list" and "workspace_list"."""
    return [
        path(f"o/<uuid:organization>/{route}", views.of_organization, name=f"organization_{name}"),
        path(f"w/<uuid:workspace>/{route}", views.of_workspace, name=f"workspace_{name}"),
    ]
