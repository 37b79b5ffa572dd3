"""Roles and removal: at once, with their effects, and never without an Owner."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.core import mail
from django.db import connection, connections
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from accounts.models import User
from workspaces.models import (
    Invitation,
    Organization,
    OrganizationMembership,
    TimelineEntry,
    Workspace,
    WorkspaceMembership,
)
from workspaces.operations import Actor
from workspaces.permissions import ORGANIZATION_ACTIONS, WORKSPACE_ACTIONS
from workspaces.services import MemberRefused, invitation_create, member_role_change
from workspaces.teams import Team

Member = Callable[..., User]
SignedIn = Callable[[User], Client]


def org_role(user: User) -> str | None:
    rows = OrganizationMembership.objects.filter(user=user)
    return rows.values_list("role", flat=True).first()


def test_a_role_change_counts_in_an_open_session(
    workspace: Workspace, member: Member, signed_in: SignedIn
) -> None:
    person, admin = member("VIEWER", workspace), member("ADMIN", workspace)
    browser, create = signed_in(person), f"/w/{workspace.uuid}/clusters/create/"
    before = browser.get(create).status_code

    url = f"/w/{workspace.uuid}/members/{person.uuid}/role/"
    response = signed_in(admin).post(url, {"role": "MEMBER"})
    after = browser.get(create).status_code

    entry = TimelineEntry.objects.get(action="member.change")
    assert response.url == f"/w/{workspace.uuid}/members/"
    assert (before, after) == (403, 200)
    assert (entry.before, entry.after) == ({"role": "Viewer"}, {"role": "Member"})
    assert entry.actor == admin


def test_removal_from_a_workspace_counts_in_an_open_session(
    workspace: Workspace, member: Member, signed_in: SignedIn
) -> None:
    person = member("MEMBER", workspace)
    browser = signed_in(person)
    before = browser.get(f"/w/{workspace.uuid}/").status_code

    signed_in(member("ADMIN", workspace)).post(f"/w/{workspace.uuid}/members/{person.uuid}/remove/")

    assert before == 200
    assert browser.get(f"/w/{workspace.uuid}/").status_code == 404
    assert org_role(person) == "MEMBER"


def test_removal_from_the_organization_is_removal_from_its_workspaces(
    workspace: Workspace, member: Member, signed_in: SignedIn
) -> None:
    person = member("ADMIN", workspace)
    elsewhere = Organization.objects.create(name="Babbage")
    OrganizationMembership.objects.create(organization=elsewhere, user=person, role="OWNER")
    browser, organization = signed_in(person), workspace.organization

    signed_in(member("ADMIN")).post(f"/o/{organization.uuid}/members/{person.uuid}/remove/")

    assert browser.get(f"/w/{workspace.uuid}/").status_code == 404
    assert browser.get(f"/o/{organization.uuid}/").status_code == 404
    assert browser.get(f"/o/{elsewhere.uuid}/").status_code == 200
    assert not WorkspaceMembership.objects.filter(user=person).exists()


def test_removal_ends_the_invitations_to_and_by_that_person(
    workspace: Workspace, member: Member, signed_in: SignedIn
) -> None:
    """No link outlives the right behind it."""
    organization, admin = workspace.organization, member("ADMIN")
    invitation_create(
        team=Team(organization, workspace),
        email="grace@example.org",
        role="ADMIN",
        actor=Actor(admin),
        now=timezone.now(),
    )
    Invitation.objects.create(
        organization=organization,
        workspace=workspace,
        email=admin.email,
        role="ADMIN",
        created_at=timezone.now(),
        expires_at=timezone.now() + timedelta(days=7),
    )

    signed_in(member("OWNER")).post(f"/o/{organization.uuid}/members/{admin.uuid}/remove/")

    assert not Invitation.objects.pending().exists()


def test_whoever_may_not_invite_any_more_has_no_invitations_out(
    workspace: Workspace, member: Member, signed_in: SignedIn
) -> None:
    admin, organization = member("ADMIN"), workspace.organization
    for team in (Team(organization), Team(organization, workspace)):
        invitation_create(
            team=team,
            email="grace@example.org",
            role="MEMBER",
            actor=Actor(admin),
            now=timezone.now(),
        )

    signed_in(member("OWNER")).post(
        f"/o/{organization.uuid}/members/{admin.uuid}/role/", {"role": "BILLING"}
    )

    assert not Invitation.objects.pending().exists()
    assert TimelineEntry.objects.filter(action="invitation.revoke").count() == 2


def test_a_changed_role_in_the_organization_keeps_an_invitation_to_a_workspace(
    workspace: Workspace, member: Member, signed_in: SignedIn
) -> None:
    person, owner, organization = member("MEMBER"), member("OWNER"), workspace.organization
    invitation_create(
        team=Team(organization, workspace),
        email=person.email,
        role="MEMBER",
        actor=Actor(owner),
        now=timezone.now(),
    )

    signed_in(owner).post(
        f"/o/{organization.uuid}/members/{person.uuid}/role/", {"role": "BILLING"}
    )

    assert Invitation.objects.pending().count() == 1
    assert [message.subject for message in mail.outbox if "invites" in message.subject] == [
        "Alice invites you to Research in Acme"
    ]


@pytest.mark.parametrize("what", ["role", "remove"])
def test_the_last_owner_stays(
    what: str, organization: Organization, member: Member, signed_in: SignedIn
) -> None:
    owner = member("OWNER")
    url = f"/o/{organization.uuid}/members/{owner.uuid}/{what}/"

    response = signed_in(owner).post(url, {"role": "ADMIN"})

    assert response.status_code == 422
    assert b"needs an Owner" in response.content
    assert org_role(owner) == "OWNER"
    assert not TimelineEntry.objects.exists()


def test_one_of_two_owners_may_go(
    organization: Organization, member: Member, signed_in: SignedIn
) -> None:
    owner = member("OWNER")
    member("OWNER")

    response = signed_in(owner).post(f"/o/{organization.uuid}/members/{owner.uuid}/remove/")

    assert response.url == "/"
    assert org_role(owner) is None


@pytest.mark.parametrize("what", ["role", "remove"])
def test_an_admin_touches_no_owner(
    what: str, organization: Organization, member: Member, signed_in: SignedIn
) -> None:
    owner = member("OWNER")
    member("OWNER")

    response = signed_in(member("ADMIN")).post(
        f"/o/{organization.uuid}/members/{owner.uuid}/{what}/", {"role": "MEMBER"}
    )

    assert response.status_code == 422
    assert org_role(owner) == "OWNER"


def test_an_admin_makes_no_owner(
    organization: Organization, member: Member, signed_in: SignedIn
) -> None:
    admin = member("ADMIN")

    response = signed_in(admin).post(
        f"/o/{organization.uuid}/members/{admin.uuid}/role/", {"role": "OWNER"}
    )

    assert response.status_code == 422
    assert org_role(admin) == "ADMIN"


def test_whoever_demotes_themselves_is_led_where_they_may_be(
    organization: Organization, member: Member, signed_in: SignedIn
) -> None:
    admin = member("ADMIN")

    response = signed_in(admin).post(
        f"/o/{organization.uuid}/members/{admin.uuid}/role/", {"role": "MEMBER"}, follow=True
    )

    assert response.status_code == 200
    assert response.redirect_chain[-1][0] == f"/o/{organization.uuid}/"


@pytest.mark.parametrize("role", ["", "VIEWER", "KING"])
def test_a_role_of_another_scope_is_refused(
    role: str, organization: Organization, member: Member, signed_in: SignedIn
) -> None:
    person = member("BILLING")

    response = signed_in(member("OWNER")).post(
        f"/o/{organization.uuid}/members/{person.uuid}/role/", {"role": role}
    )

    assert response.status_code == 422
    assert org_role(person) == "BILLING"


def test_an_owner_transfers_and_becomes_an_admin(
    organization: Organization, member: Member, signed_in: SignedIn
) -> None:
    owner, heir = member("OWNER"), member("MEMBER")

    response = signed_in(owner).post(
        f"/o/{organization.uuid}/members/transfer/", {"member": str(heir.uuid)}
    )

    assert response.status_code == 302
    assert (org_role(owner), org_role(heir)) == ("ADMIN", "OWNER")
    assert TimelineEntry.objects.get(action="organization.transfer").target_uuid == heir.uuid
    assert TimelineEntry.objects.get(action="member.change").target_uuid == owner.uuid


def test_a_transfer_to_a_stranger_is_refused(
    organization: Organization, member: Member, user: Callable[..., User], signed_in: SignedIn
) -> None:
    owner, stranger = member("OWNER"), user("eve@example.org")

    response = signed_in(owner).post(
        f"/o/{organization.uuid}/members/transfer/", {"member": str(stranger.uuid)}
    )

    assert response.status_code == 422
    assert org_role(owner) == "OWNER"
    assert org_role(stranger) is None


def test_a_right_that_went_away_after_the_page_came_does_not_count(
    organization: Organization, member: Member
) -> None:
    """The service reads the actor's role again under its lock."""
    admin, person = member("ADMIN"), member("MEMBER")
    OrganizationMembership.objects.filter(user=admin).update(role="MEMBER")

    with pytest.raises(MemberRefused, match="does not allow that any more"):
        member_role_change(
            team=Team(organization),
            user=person,
            role="ADMIN",
            actor=Actor(admin),
            now=timezone.now(),
        )

    assert org_role(person) == "MEMBER"


def test_two_owners_who_demote_each_other_leave_one(
    organization: Organization, member: Member
) -> None:
    """Both were allowed to when their requests began."""
    ada, ben = member("OWNER"), member("OWNER")
    demote(organization, ada, ben)

    with pytest.raises(MemberRefused):
        demote(organization, ben, ada)

    assert (org_role(ada), org_role(ben)) == ("ADMIN", "OWNER")


@pytest.mark.skipif(connection.vendor == "sqlite", reason="in memory, threads can not wait")
@pytest.mark.django_db(transaction=True)
def test_two_owners_who_leave_in_the_same_moment_leave_one(
    organization: Organization, member: Member
) -> None:
    """Each demotes themselves while the other is still an Owner: only the lock decides."""
    owners = [member("OWNER"), member("OWNER")]
    ready, refusals = Barrier(2), []

    def step_down(owner: User) -> None:
        ready.wait(10)
        try:
            demote(organization, owner, owner)
        except MemberRefused as refusal:
            refusals.append(str(refusal))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as hands:
        list(hands.map(step_down, owners))

    assert OrganizationMembership.objects.filter(role="OWNER").count() == 1
    assert len(refusals) == 1


def demote(organization: Organization, who: User, by: User) -> None:
    member_role_change(
        team=Team(organization), user=who, role="ADMIN", actor=Actor(by), now=timezone.now()
    )


# F022, F223: rights differ from workspace to workspace -------------------------------------------


@pytest.fixture
def second(workspace: Workspace) -> Workspace:
    return Workspace.objects.create(
        organization=workspace.organization,
        cloud_configuration=workspace.cloud_configuration,
        name="Second",
        region="here",
        status="READY",
    )


def _walk(patterns: list[URLPattern | URLResolver], prefix: str = "") -> Iterator[tuple[str, str]]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, route)
        else:
            yield route, getattr(pattern.callback, "action", "")


WRITES = [
    (route, action)
    for route, action in _walk(get_resolver().url_patterns)
    if "VIEWER" not in WORKSPACE_ACTIONS.get(action, {"VIEWER"})
]


def test_one_person_has_different_roles_in_two_workspaces(
    workspace: Workspace, second: Workspace, member: Member, signed_in: SignedIn
) -> None:
    """F022."""
    person = member("ADMIN", workspace)
    WorkspaceMembership.objects.create(workspace=second, user=person, role="VIEWER")
    browser = signed_in(person)

    codes = [browser.get(f"/w/{w.uuid}/members/invite/").status_code for w in (workspace, second)]

    assert codes == [200, 403]


@pytest.mark.parametrize(("route", "action"), WRITES, ids=lambda value: str(value))
def test_admin_in_one_workspace_writes_nothing_in_the_other(
    route: str,
    action: str,
    workspace: Workspace,
    second: Workspace,
    member: Member,
    signed_in: SignedIn,
) -> None:
    """F223: every write address of the second workspace, with ids of the first one too."""
    person = member("ADMIN", workspace)
    WorkspaceMembership.objects.create(workspace=second, user=person, role="VIEWER")
    browser = signed_in(person)
    path = "/" + re.sub(
        r"<\w+:\w+>", str(person.uuid), route.replace("<uuid:workspace>", str(second.uuid))
    )

    codes = {browser.get(path).status_code, browser.post(path).status_code}

    assert codes <= {403, 404}


def test_there_are_writes_to_test() -> None:
    assert len(WRITES) >= 10
    assert not {action for _, action in WRITES} & set(ORGANIZATION_ACTIONS)
