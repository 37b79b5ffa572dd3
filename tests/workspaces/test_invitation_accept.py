"""Behind the link: sign up with it, accept it, or learn why it is dead."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from accounts.models import User
from tests.conftest import PASSWORD
from workspaces.models import (
    Invitation,
    Organization,
    OrganizationMembership,
    TimelineEntry,
    Workspace,
    WorkspaceMembership,
)
from workspaces.operations import Actor
from workspaces.services import (
    InvitationRefused,
    invitation_accept,
    invitation_create,
    invitation_resend,
    invitation_revoke,
)
from workspaces.teams import Team

Member = Callable[..., User]
SignedIn = Callable[[User], Client]
Invite = Callable[..., str]


@pytest.fixture(autouse=True)
def _no_limits_from_other_tests(db: None) -> None:
    cache.clear()


@pytest.fixture
def invite(workspace: Workspace, member: Member) -> Invite:
    """The path of the link that was mailed."""

    def make(email: str = "grace@example.org", role: str = "MEMBER", *, whole: bool = False) -> str:
        team = Team(workspace.organization, None if whole else workspace)
        invitation_create(
            team=team, email=email, role=role, actor=Actor(member("OWNER")), now=timezone.now()
        )
        return mailed_path()

    return make


def mailed_path() -> str:
    link = re.search(r"https?://\S+/invitations/\S+", str(mail.outbox[-1].body))
    assert link
    return urlsplit(link[0]).path


def sign_up_data(**changes: str) -> dict[str, str]:
    data = {
        "password1": PASSWORD,
        "password2": PASSWORD,
        "first_name": "Grace",
        "last_name": "Hopper",
        "terms": "on",
    }
    return {**data, **changes}


def test_a_newcomer_signs_up_and_lands_in_the_workspace(
    client: Client, invite: Invite, workspace: Workspace
) -> None:
    """F023: the organization's minimal member; no organization of their own, no second mail."""
    path = invite(role="VIEWER")

    response = client.post(path, sign_up_data())

    grace = User.objects.get(email="grace@example.org")
    assert response.url == f"/w/{workspace.uuid}/"
    assert client.get(response.url).status_code == 200
    assert WorkspaceMembership.objects.get(user=grace).role == "VIEWER"
    assert OrganizationMembership.objects.get(user=grace).role == "MEMBER"
    assert Organization.objects.count() == 1
    assert EmailAddress.objects.get(user=grace).verified
    assert grace.activated_at
    assert grace.terms_accepted_at
    assert len(mail.outbox) == 1


def test_a_newcomer_to_the_organization_gets_the_role_of_the_invitation(
    client: Client, invite: Invite, organization: Organization
) -> None:
    path = invite(role="BILLING", whole=True)

    response = client.post(path, sign_up_data())

    assert response.url == f"/o/{organization.uuid}/"
    assert OrganizationMembership.objects.get(user__email="grace@example.org").role == "BILLING"
    assert not WorkspaceMembership.objects.filter(user__email="grace@example.org").exists()


def test_the_address_of_the_invitation_can_not_be_changed(client: Client, invite: Invite) -> None:
    client.post(invite(), sign_up_data(email="eve@example.org"))

    assert User.objects.filter(email="grace@example.org").exists()
    assert not User.objects.filter(email="eve@example.org").exists()


def test_a_sign_up_without_terms_makes_nobody(client: Client, invite: Invite) -> None:
    response = client.post(invite(), sign_up_data(terms=""))

    assert response.status_code == 422
    assert not User.objects.filter(email="grace@example.org").exists()


def test_a_known_person_accepts_with_one_click(
    invite: Invite, user: Callable[..., User], signed_in: SignedIn, workspace: Workspace
) -> None:
    """F023."""
    grace = user("grace@example.org")
    browser = signed_in(grace)
    path = invite(role="MEMBER")

    looked = browser.get(path)
    before = WorkspaceMembership.objects.filter(user=grace).exists()
    accepted = browser.post(path)

    assert b"ACCEPT" in looked.content
    assert not before
    assert accepted.url == f"/w/{workspace.uuid}/"
    assert WorkspaceMembership.objects.get(user=grace).role == "MEMBER"
    assert OrganizationMembership.objects.get(user=grace).role == "MEMBER"
    assert TimelineEntry.objects.get(action="invitation.accept").actor == grace


def test_a_known_person_signs_in_and_comes_back_to_the_invitation(
    client: Client, invite: Invite, user: Callable[..., User]
) -> None:
    user("grace@example.org")
    path = invite()

    signed = client.post(
        f"/accounts/login/?next={path}", {"login": "grace@example.org", "password": PASSWORD}
    )

    assert signed.url == path
    assert b"ACCEPT" in client.get(path).content


def test_somebody_else_who_is_signed_in_is_told_so_and_no_more(
    invite: Invite, user: Callable[..., User], signed_in: SignedIn
) -> None:
    path = invite()
    browser = signed_in(user("eve@example.org"))

    shown, posted = browser.get(path), browser.post(path)

    assert shown.status_code == posted.status_code == 403
    assert b"sent to another e-mail address" in shown.content
    assert b"grace@example.org" not in shown.content
    assert not OrganizationMembership.objects.filter(user__email="eve@example.org").exists()


def test_the_page_does_not_tell_whether_the_address_has_an_account(
    invite: Invite, user: Callable[..., User]
) -> None:
    user("grace@example.org")

    known = Client().get(invite("grace@example.org"))
    unknown = Client().get(invite("linus@example.org"))

    assert known.status_code == unknown.status_code == 200
    assert plain(known.content, "grace") == plain(unknown.content, "linus")


def plain(page: bytes, name: str) -> str:
    text = re.sub(r'(csrfmiddlewaretoken" value|X-CSRFToken": )[^>]*', "", page.decode())
    return re.sub(r"(%2F|/)invitations(%2F|/)[^\"']*", "", text.replace(name, ""))


def test_a_sign_up_for_an_address_with_an_account_makes_no_second_one(
    client: Client, invite: Invite, user: Callable[..., User]
) -> None:
    grace = user("grace@example.org")

    response = client.post(invite(), sign_up_data(password1="x" * 20, password2="x" * 20))

    grace.refresh_from_db()
    assert response.status_code == 422
    assert grace.check_password(PASSWORD)
    assert Invitation.objects.get().accepted_at is None
    assert "_auth_user_id" not in client.session


@pytest.mark.parametrize(
    "state", ["wrong secret", "unknown", "expired", "revoked", "replaced", "removed"]
)
@pytest.mark.parametrize("is_known", [True, False])
def test_a_dead_link_lets_nobody_in(
    state: str,
    is_known: bool,
    invite: Invite,
    member: Member,
    user: Callable[..., User],
    signed_in: SignedIn,
) -> None:
    path = invite()
    found = Invitation.objects.get()
    now = timezone.now()
    if state == "wrong secret":
        path = f"/invitations/{found.uuid}/{'x' * 43}/"
    elif state == "unknown":
        found.delete()
    elif state == "expired":
        Invitation.objects.update(expires_at=now)
    elif state == "removed":
        Workspace.objects.update(status="TERMINATED")
    elif state == "revoked":
        invitation_revoke(invitation=found, actor=Actor(), now=now)
    else:
        invitation_resend(invitation=found, actor=Actor(), now=now + timedelta(minutes=2))
    browser = signed_in(user("grace@example.org")) if is_known else Client()

    codes = browser.get(path).status_code, browser.post(path, sign_up_data()).status_code

    assert codes == (410, 410)
    assert not WorkspaceMembership.objects.filter(user__email="grace@example.org").exists()
    assert User.objects.filter(email="grace@example.org").exists() == is_known


def test_a_used_link_works_for_nobody_else_and_leads_its_owner_home(
    client: Client, invite: Invite, workspace: Workspace
) -> None:
    path = invite()
    client.post(path, sign_up_data())

    again, elsewhere = client.get(path), Client().get(path)

    assert again.url == f"/w/{workspace.uuid}/"
    assert elsewhere.status_code == 410
    assert b"used already" in elsewhere.content


def test_a_used_link_does_not_bring_back_who_was_removed(
    client: Client, invite: Invite, workspace: Workspace
) -> None:
    path = invite()
    client.post(path, sign_up_data())
    WorkspaceMembership.objects.filter(user__email="grace@example.org").delete()

    assert client.post(path).status_code == 410
    assert not WorkspaceMembership.objects.filter(user__email="grace@example.org").exists()


def test_two_clicks_at_once_accept_once(
    invite: Invite, user: Callable[..., User], workspace: Workspace
) -> None:
    """Both requests loaded the row before either of them changed it."""
    grace = user("grace@example.org")
    invite()
    first, second = Invitation.objects.get(), Invitation.objects.get()

    for row in (first, second):
        invitation_accept(invitation=row, user=grace, now=timezone.now())

    assert WorkspaceMembership.objects.filter(user=grace).count() == 1
    assert TimelineEntry.objects.filter(action="invitation.accept").count() == 1


def test_accepting_what_was_revoked_meanwhile_is_refused(
    invite: Invite, user: Callable[..., User]
) -> None:
    grace = user("grace@example.org")
    invite()
    loaded = Invitation.objects.get()
    invitation_revoke(invitation=Invitation.objects.get(), actor=Actor(), now=timezone.now())

    with pytest.raises(InvitationRefused, match="taken back"):
        invitation_accept(invitation=loaded, user=grace, now=timezone.now())

    assert not OrganizationMembership.objects.filter(user=grace).exists()


def test_an_invitation_takes_no_right_away(
    invite: Invite, user: Callable[..., User], organization: Organization, signed_in: SignedIn
) -> None:
    """Grace was made Admin of the organization after the mail went out."""
    grace = user("grace@example.org")
    path = invite(role="VIEWER")
    OrganizationMembership.objects.create(organization=organization, user=grace, role="ADMIN")

    signed_in(grace).post(path)

    assert OrganizationMembership.objects.get(user=grace).role == "ADMIN"


def test_the_secret_is_not_in_the_database(invite: Invite) -> None:
    secret = invite().rstrip("/").rpartition("/")[2]

    assert secret not in str(list(Invitation.objects.values()))
    assert secret not in str(list(TimelineEntry.objects.values()))
