"""Inviting: whom, as what, and what the mail says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.core import mail
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from accounts.models import User
from workspaces.models import Invitation, Organization, TimelineEntry, Workspace

Member = Callable[..., User]
SignedIn = Callable[[User], Client]


def test_inviting_mails_a_link_and_writes_it_down(
    workspace: Workspace, member: Member, signed_in: SignedIn, settings: Any
) -> None:
    settings.PUBLIC_URL = "https://bodo.example.org"
    url = f"/w/{workspace.uuid}/members/invite/"

    response = signed_in(member("ADMIN", workspace)).post(
        url, {"email": "Grace@Example.org", "role": "VIEWER"}
    )

    invitation = Invitation.objects.get()
    [message] = mail.outbox
    assert response.url == f"/w/{workspace.uuid}/members/"
    assert (invitation.email, invitation.role) == ("grace@example.org", "VIEWER")
    assert invitation.workspace == workspace
    assert message.to == ["grace@example.org"]
    assert message.subject == "Alice invites you to Research in Acme"
    assert f"https://bodo.example.org/invitations/{invitation.uuid}/" in message.body
    assert "as Viewer" in message.body
    assert TimelineEntry.objects.get(action="invitation.create").target_name == invitation.email


def test_the_answer_is_the_same_for_an_address_with_an_account(
    organization: Organization, member: Member, user: Callable[..., User], signed_in: SignedIn
) -> None:
    user("known@example.org")
    browser = signed_in(member("ADMIN"))
    url = f"/o/{organization.uuid}/members/invite/"

    pages = []
    for name in ("known", "other"):
        page = browser.post(url, {"email": f"{name}@example.org", "role": "MEMBER"}, follow=True)
        pages.append([str(m) for m in page.context["messages"]])

    assert pages[0] == ["An invitation is on its way to known@example.org."]
    assert pages[1] == ["An invitation is on its way to other@example.org."]
    assert mail.outbox[0].subject == mail.outbox[1].subject


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"email": "grace", "role": "MEMBER"},
        {"email": "grace@example.org", "role": ""},
        {"email": "grace@example.org", "role": "VIEWER"},
        {"email": "grace@example.org", "role": "OWNER"},
    ],
)
def test_a_wrong_form_invites_nobody(
    data: dict[str, str], organization: Organization, member: Member, signed_in: SignedIn
) -> None:
    """An Admin grants no OWNER."""
    response = signed_in(member("ADMIN")).post(f"/o/{organization.uuid}/members/invite/", data)

    assert response.status_code == 422
    assert not Invitation.objects.exists()
    assert not mail.outbox


def test_a_member_is_not_invited_again(
    workspace: Workspace, member: Member, signed_in: SignedIn
) -> None:
    viewer = member("VIEWER", workspace)

    response = signed_in(member("ADMIN", workspace)).post(
        f"/w/{workspace.uuid}/members/invite/", {"email": viewer.email, "role": "ADMIN"}
    )

    assert response.status_code == 422
    assert b"is a member already" in response.content


def test_one_pending_invitation_for_one_address(
    workspace: Workspace, member: Member, signed_in: SignedIn
) -> None:
    browser = signed_in(member("OWNER"))
    data = {"email": "grace@example.org", "role": "MEMBER"}
    url = f"/w/{workspace.uuid}/members/invite/"
    browser.post(url, data)

    twice = browser.post(url, data)
    elsewhere = browser.post(f"/o/{workspace.organization.uuid}/members/invite/", data)

    assert twice.status_code == 422
    assert b"is invited already" in twice.content
    assert elsewhere.status_code == 302
    assert Invitation.objects.count() == 2


@pytest.mark.parametrize("whole", [True, False])
def test_the_database_refuses_a_second_pending_invitation(
    whole: bool, workspace: Workspace
) -> None:
    def make() -> Invitation:
        return Invitation.objects.create(
            organization=workspace.organization,
            workspace=None if whole else workspace,
            email="grace@example.org",
            role="MEMBER",
            created_at=timezone.now(),
            expires_at=timezone.now() + timedelta(days=1),
        )

    make()

    with pytest.raises(IntegrityError), transaction.atomic():
        make()

    Invitation.objects.update(revoked_at=timezone.now())
    assert make().pk


def test_an_expired_invitation_makes_room_for_a_new_one(
    workspace: Workspace, member: Member, signed_in: SignedIn
) -> None:
    browser = signed_in(member("OWNER"))
    data = {"email": "grace@example.org", "role": "MEMBER"}
    browser.post(f"/w/{workspace.uuid}/members/invite/", data)
    Invitation.objects.update(expires_at=timezone.now())

    response = browser.post(f"/w/{workspace.uuid}/members/invite/", data)

    assert response.status_code == 302
    assert Invitation.objects.pending().count() == 1


def test_resending_waits_a_minute_and_renews_the_days(
    workspace: Workspace, member: Member, signed_in: SignedIn
) -> None:
    browser = signed_in(member("OWNER"))
    browser.post(
        f"/w/{workspace.uuid}/members/invite/", {"email": "grace@example.org", "role": "MEMBER"}
    )
    invitation = Invitation.objects.get()
    url = f"/w/{workspace.uuid}/invitations/{invitation.uuid}/resend/"

    browser.post(url)
    at_once = len(mail.outbox)
    Invitation.objects.update(
        mailed_at=timezone.now() - timedelta(minutes=2), expires_at=timezone.now()
    )
    browser.post(url)

    assert at_once == 1
    assert len(mail.outbox) == 2
    assert mail.outbox[0].body != mail.outbox[1].body
    assert Invitation.objects.usable(timezone.now()).exists()


def test_a_mail_server_that_is_down_leaves_an_invitation_to_send_again(
    organization: Organization, member: Member, signed_in: SignedIn
) -> None:
    browser = signed_in(member("OWNER"))
    with patch("django.core.mail.message.EmailMessage.send", side_effect=ConnectionRefusedError):
        response = browser.post(
            f"/o/{organization.uuid}/members/invite/",
            {"email": "grace@example.org", "role": "MEMBER"},
            follow=True,
        )

    assert b"the mail could not be sent" in response.content
    browser.post(f"/o/{organization.uuid}/invitations/{Invitation.objects.get().uuid}/resend/")
    assert len(mail.outbox) == 1


def test_an_organization_does_not_send_bulk_mail(
    organization: Organization, member: Member, signed_in: SignedIn, settings: Any
) -> None:
    settings.INVITATIONS_PER_DAY = 2
    browser = signed_in(member("OWNER"))

    codes = [
        browser.post(
            f"/o/{organization.uuid}/members/invite/",
            {"email": f"grace{number}@example.org", "role": "MEMBER"},
        ).status_code
        for number in range(3)
    ]

    assert codes == [302, 302, 422]
    assert len(mail.outbox) == 2


def test_a_name_with_line_breaks_adds_no_header(
    organization: Organization, member: Member, signed_in: SignedIn
) -> None:
    owner = member("OWNER")
    User.objects.filter(pk=owner.pk).update(first_name="Eve\nBcc: all@example.org")

    signed_in(owner).post(
        f"/o/{organization.uuid}/members/invite/", {"email": "g@example.org", "role": "MEMBER"}
    )

    assert mail.outbox[0].subject == "Eve Bcc: all@example.org invites you to Acme"
    assert mail.outbox[0].recipients() == ["g@example.org"]


def test_revoking_is_seen_on_the_page(
    workspace: Workspace, member: Member, signed_in: SignedIn
) -> None:
    browser = signed_in(member("OWNER"))
    page = f"/w/{workspace.uuid}/members/"
    browser.post(f"{page}invite/", {"email": "grace@example.org", "role": "MEMBER"})
    shown = browser.get(page).content

    browser.post(f"/w/{workspace.uuid}/invitations/{Invitation.objects.get().uuid}/revoke/")

    assert b"grace@example.org" in shown
    assert Invitation.objects.get().revoked_at
    browser.get(page)
    assert b"grace@example.org" not in browser.get(page).content


def test_pending_invitations_are_for_those_who_invite(
    workspace: Workspace, member: Member, signed_in: SignedIn
) -> None:
    page = f"/w/{workspace.uuid}/members/"
    signed_in(member("OWNER")).post(
        f"{page}invite/", {"email": "grace@example.org", "role": "MEMBER"}
    )

    shown = signed_in(member("VIEWER", workspace)).get(page).content

    assert b"grace@example.org" not in shown
    assert b"Invite User" not in shown
