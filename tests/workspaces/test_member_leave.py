"""Leaving by oneself, and the mails to those whom somebody else changed or removed."""

from __future__ import annotations

from collections.abc import Callable
from smtplib import SMTPException
from typing import Any
from unittest.mock import patch

import pytest
from django.core import mail
from django.test import Client

from accounts.models import User
from workspaces.models import (
    Organization,
    OrganizationMembership,
    TimelineEntry,
    Workspace,
    WorkspaceMembership,
)

Member = Callable[..., User]
SignedIn = Callable[[User], Client]


@pytest.mark.parametrize("role", ["ADMIN", "MEMBER", "VIEWER"])
def test_anybody_leaves_a_workspace(
    workspace: Workspace, member: Member, signed_in: SignedIn, role: str
) -> None:
    person = member(role, workspace)
    browser = signed_in(person)

    response = browser.post(f"/w/{workspace.uuid}/members/leave/", follow=True)

    entry = TimelineEntry.objects.get()
    assert "You left Research." in response.content.decode()
    assert browser.get(f"/w/{workspace.uuid}/").status_code == 404
    assert OrganizationMembership.objects.filter(user=person).exists()
    assert (entry.action, entry.actor, entry.target_uuid) == ("member.leave", person, person.uuid)


@pytest.mark.parametrize("role", ["ADMIN", "BILLING", "MEMBER"])
def test_anybody_leaves_an_organization_and_its_workspaces(
    workspace: Workspace, member: Member, signed_in: SignedIn, role: str
) -> None:
    person = member(role)
    WorkspaceMembership.objects.create(workspace=workspace, user=person, role="MEMBER")
    browser, organization = signed_in(person), workspace.organization

    browser.post(f"/o/{organization.uuid}/members/leave/")

    assert browser.get(f"/o/{organization.uuid}/").status_code == 404
    assert browser.get(f"/w/{workspace.uuid}/").status_code == 404
    assert not WorkspaceMembership.objects.filter(user=person).exists()


def test_the_last_owner_does_not_leave(
    organization: Organization, member: Member, signed_in: SignedIn
) -> None:
    owner = member("OWNER")
    browser, url = signed_in(owner), f"/o/{organization.uuid}/members/leave/"

    refusal = browser.post(url, follow=True).content.decode()
    stayed = OrganizationMembership.objects.filter(user=owner).exists()
    member("OWNER")
    browser.post(url)

    assert "Acme needs an Owner. Make somebody else an Owner first." in refusal
    assert stayed
    assert not OrganizationMembership.objects.filter(user=owner).exists()


def test_an_owner_who_can_not_sign_in_does_not_count(
    organization: Organization, member: Member, signed_in: SignedIn
) -> None:
    owner, gone = member("OWNER"), member("OWNER")
    User.objects.filter(pk=gone.pk).update(is_active=False)

    signed_in(owner).post(f"/o/{organization.uuid}/members/leave/")

    assert OrganizationMembership.objects.filter(user=owner).exists()


def test_a_manager_of_the_organization_has_no_workspace_to_leave(
    workspace: Workspace, member: Member, signed_in: SignedIn
) -> None:
    page = signed_in(member("ADMIN")).post(f"/w/{workspace.uuid}/members/leave/", follow=True)

    assert "is not a member of Research." in page.content.decode()


def test_the_personal_page_lists_what_one_may_leave(
    workspace: Workspace,
    member: Member,
    signed_in: SignedIn,
    django_assert_max_num_queries: Callable[[int], Any],
) -> None:
    person, organization = member("VIEWER", workspace), workspace.organization
    browser = signed_in(person)
    browser.get("/memberships/")

    with django_assert_max_num_queries(7):
        page = browser.get("/memberships/").content.decode()

    assert f"/o/{organization.uuid}/members/leave/" in page
    assert f"/w/{workspace.uuid}/members/leave/" in page
    assert "Viewer" in page


def test_whoever_is_in_nothing_reads_that(user: Callable[..., User], signed_in: SignedIn) -> None:
    assert "You are in no organization" in signed_in(user()).get("/memberships/").content.decode()


def test_one_s_own_row_offers_to_leave(
    workspace: Workspace, member: Member, signed_in: SignedIn
) -> None:
    admin = member("ADMIN", workspace)

    page = signed_in(admin).get(f"/w/{workspace.uuid}/members/").content.decode()

    assert f"/w/{workspace.uuid}/members/leave/" in page
    assert f"/members/{admin.uuid}/remove/" not in page


def test_a_changed_role_is_mailed(
    workspace: Workspace, member: Member, signed_in: SignedIn, settings: Any
) -> None:
    settings.PUBLIC_URL = "https://bodo.example.org"
    person, admin = member("VIEWER", workspace), member("ADMIN", workspace)
    browser, url = signed_in(admin), f"/w/{workspace.uuid}/members/{person.uuid}/role/"

    browser.post(url, {"role": "MEMBER"})
    browser.post(url, {"role": "MEMBER"})

    [message] = mail.outbox
    assert message.to == [person.email]
    assert message.subject == "You are Member of Research now"
    assert "Alice changed your role in the workspace Research of Acme" in message.body
    assert "you are Member now, and were Viewer before" in message.body
    assert f"https://bodo.example.org/w/{workspace.uuid}/" in message.body


def test_a_removal_is_mailed(
    organization: Organization, member: Member, signed_in: SignedIn
) -> None:
    person, owner = member("ADMIN"), member("OWNER")

    signed_in(owner).post(f"/o/{organization.uuid}/members/{person.uuid}/remove/")

    [message] = mail.outbox
    assert message.to == [person.email]
    assert message.subject == "You are no member of Acme any more"
    assert "removed you from Acme and from each of its workspaces" in message.body


def test_a_new_owner_is_told_and_nobody_of_their_own_doing(
    organization: Organization, member: Member, signed_in: SignedIn
) -> None:
    owner, heir = member("OWNER"), member("ADMIN")
    browser = signed_in(owner)

    browser.post(f"/o/{organization.uuid}/members/transfer/", {"member": str(heir.uuid)})
    browser.post(f"/o/{organization.uuid}/members/leave/")

    [message] = mail.outbox
    assert message.to == [heir.email]
    assert message.subject == "You are Owner of Acme now"


def test_a_refused_change_is_not_mailed(
    organization: Organization, member: Member, signed_in: SignedIn
) -> None:
    owner = member("OWNER")

    signed_in(member("ADMIN")).post(
        f"/o/{organization.uuid}/members/{owner.uuid}/role/", {"role": "MEMBER"}
    )

    assert mail.outbox == []


def test_a_mail_server_that_is_down_undoes_nothing(
    organization: Organization, member: Member, signed_in: SignedIn
) -> None:
    person, owner = member("ADMIN"), member("OWNER")

    with patch("django.core.mail.message.EmailMessage.send", side_effect=SMTPException):
        response = signed_in(owner).post(f"/o/{organization.uuid}/members/{person.uuid}/remove/")

    assert response.status_code == 302
    assert not OrganizationMembership.objects.filter(user=person).exists()
