from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from workspaces.models import (
    Invitation,
    Organization,
    OrganizationMembership,
    Workspace,
    WorkspaceMembership,
)
from workspaces.permissions import ORGANIZATION_ACTIONS, WORKSPACE_ACTIONS
from workspaces.roles import action_words, role_table

Member = Callable[..., User]
SignedIn = Callable[[User], Client]


def queries() -> AbstractContextManager[CaptureQueriesContext]:
    return CaptureQueriesContext(connection)


def test_the_page_has_the_documented_columns(
    organization: Organization, member: Member, signed_in: SignedIn
) -> None:
    """V27."""
    page = signed_in(member("OWNER")).get(f"/o/{organization.uuid}/members/").content.decode()

    for words in ("Search", "Invite User", "USER", "ROLES", "JOINED", "LAST SEEN"):
        assert words in page


def test_search_finds_by_name_and_address(
    organization: Organization, member: Member, signed_in: SignedIn
) -> None:
    owner, other = member("OWNER"), member("BILLING")
    User.objects.filter(pk=other.pk).update(first_name="Grace", last_name="Hopper")
    browser, url = signed_in(owner), f"/o/{organization.uuid}/members/"

    found = browser.get(url, {"q": "hopper grace"}).context["people"]
    nobody = browser.get(url, {"q": "nobody"})

    assert [person["user"] for person in found] == [other]
    assert b"Nobody found" in nobody.content


def test_an_admin_gets_no_select_for_an_owner(
    organization: Organization, member: Member, signed_in: SignedIn
) -> None:
    member("OWNER")

    people = signed_in(member("ADMIN")).get(f"/o/{organization.uuid}/members/").context["people"]

    choices = {person["role"]: [value for value, _ in person["choices"]] for person in people}
    assert choices == {"OWNER": [], "ADMIN": ["ADMIN", "BILLING", "MEMBER"]}


def test_a_viewer_sees_colleagues_and_changes_nothing(
    workspace: Workspace, member: Member, signed_in: SignedIn
) -> None:
    admin = member("ADMIN", workspace)

    page = signed_in(member("VIEWER", workspace)).get(f"/w/{workspace.uuid}/members/")

    assert admin.email.encode() in page.content
    assert b"<select" not in page.content
    assert b"REMOVE" not in page.content


def test_managers_of_the_organization_are_shown_in_the_workspace(
    workspace: Workspace, member: Member, signed_in: SignedIn
) -> None:
    owner = member("OWNER")

    page = signed_in(owner).get(f"/w/{workspace.uuid}/members/")

    assert [row.user for row in page.context["managers"]] == [owner]
    assert b"Admins through the organization" in page.content


@pytest.mark.parametrize("kind", ["organization", "workspace"])
def test_queries_do_not_grow_with_people_and_invitations(
    kind: str,
    workspace: Workspace,
    member: Member,
    user: Callable[..., User],
    signed_in: SignedIn,
) -> None:
    browser = signed_in(member("OWNER"))
    scope = workspace if kind == "workspace" else workspace.organization
    url = f"/{kind[0]}/{scope.uuid}/members/"

    def people(first: int, last: int) -> None:
        for number in range(first, last):
            person = user(f"p{number}@example.org")
            OrganizationMembership.objects.create(
                organization=workspace.organization, user=person, role="ADMIN"
            )
            WorkspaceMembership.objects.create(workspace=workspace, user=person)
            Invitation.objects.create(
                organization=workspace.organization,
                workspace=workspace,
                invited_by=person,
                email=f"q{number}@example.org",
                role="VIEWER",
                created_at=timezone.now(),
                expires_at=timezone.now(),
            )

    people(0, 2)
    browser.get(url)
    with queries() as few:
        browser.get(url)
    people(2, 20)
    with queries() as many:
        browser.get(url)

    assert len(few) == len(many)


def test_the_table_of_rights_is_the_one_that_decides(
    workspace: Workspace, member: Member, signed_in: SignedIn
) -> None:
    """K13."""
    table = role_table("workspace")

    page = signed_in(member("VIEWER", workspace)).get(f"/w/{workspace.uuid}/members/")

    assert page.context["table"] == table
    assert len(table["rows"]) == len(WORKSPACE_ACTIONS)
    assert ("Invite users", [True, False, False]) in table["rows"]


@pytest.mark.parametrize("action", [*ORGANIZATION_ACTIONS, *WORKSPACE_ACTIONS])
def test_every_right_reads_as_words(action: str) -> None:
    words = action_words(action)

    assert words[0].isupper()
    assert "." not in words
    assert "_" not in words
