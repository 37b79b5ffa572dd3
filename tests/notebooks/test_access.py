"""Tickets, cookies, and every reason why somebody may no longer be inside."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from accounts.services import user_lock
from tests.conftest import PASSWORD
from tests.notebooks.conftest import Person
from tests.notebooks.jupyter import TOKEN
from workspaces.models import (
    Notebook,
    NotebookAccess,
    OrganizationMembership,
    Workspace,
    WorkspaceMembership,
)
from workspaces.notebooks.access import (
    Refusal,
    Visit,
    accesses_forget,
    digest,
    look,
    ticket_redeem,
)
from workspaces.permissions import workspace_role, workspace_roles
from workspaces.secrets import seal

pytestmark = pytest.mark.django_db

MakeNotebook = Callable[..., Notebook]


def enter(person: Person, notebook: Notebook) -> str:
    """The digest of the cookie."""
    ticket = person.ticket(notebook).partition("ticket=")[2]
    cookie = ticket_redeem(ticket=ticket, notebook=notebook.uuid, now=timezone.now())
    assert cookie
    return digest(cookie)


def seen(cookie: str) -> Visit | Refusal:
    return look([cookie], now=timezone.now())[cookie]


def test_the_ticket_leads_to_the_notebooks_own_host(
    person: Callable[..., Person], make_notebook: MakeNotebook, settings: Any
) -> None:
    settings.NOTEBOOK_ORIGIN = "https://nb-{uuid}.notebooks.example"
    owner = person()
    notebook = make_notebook(owner.user)

    address = owner.ticket(notebook)

    begin = f"https://nb-{notebook.uuid}.notebooks.example/_bodoweb/enter?ticket="
    assert address.startswith(begin)
    assert len(address.removeprefix(begin)) >= 43
    assert address.removeprefix(begin) not in str(NotebookAccess.objects.values())


def test_a_ticket_opens_once(person: Callable[..., Person], make_notebook: MakeNotebook) -> None:
    owner = person()
    notebook = make_notebook(owner.user)
    ticket = owner.ticket(notebook).partition("ticket=")[2]
    now = timezone.now()

    first = ticket_redeem(ticket=ticket, notebook=notebook.uuid, now=now)
    second = ticket_redeem(ticket=ticket, notebook=notebook.uuid, now=now)

    assert first is not None
    assert second is None
    visit = seen(digest(first))
    assert isinstance(visit, Visit)
    assert (visit.notebook, visit.user, visit.role) == (notebook, owner.user, "MEMBER")
    assert visit.token == TOKEN
    assert TOKEN not in repr(visit)


def test_a_ticket_lives_thirty_seconds(
    person: Callable[..., Person], make_notebook: MakeNotebook
) -> None:
    owner = person()
    notebook = make_notebook(owner.user)
    ticket = owner.ticket(notebook).partition("ticket=")[2]
    expires_at = NotebookAccess.objects.get().expires_at

    late = ticket_redeem(ticket=ticket, notebook=notebook.uuid, now=expires_at)
    in_time = ticket_redeem(
        ticket=ticket, notebook=notebook.uuid, now=expires_at - timedelta(milliseconds=1)
    )

    assert late is None
    assert in_time is not None


def test_a_ticket_opens_its_own_notebook_only(
    person: Callable[..., Person], make_notebook: MakeNotebook
) -> None:
    owner = person()
    mine, other = make_notebook(owner.user), make_notebook(owner.user, "Other")
    ticket = owner.ticket(mine).partition("ticket=")[2]

    assert ticket_redeem(ticket=ticket, notebook=other.uuid, now=timezone.now()) is None
    assert ticket_redeem(ticket=ticket, notebook=mine.uuid, now=timezone.now())


def test_a_ticket_is_no_cookie(person: Callable[..., Person], make_notebook: MakeNotebook) -> None:
    owner = person()
    ticket = owner.ticket(make_notebook(owner.user)).partition("ticket=")[2]

    answer = seen(digest(ticket))

    assert isinstance(answer, Refusal)
    assert answer.status == 401


def _sign_out(who: Person, notebook: Notebook) -> None:
    who.client.post(reverse("account_logout"))


def _sign_out_everywhere(who: Person, notebook: Notebook) -> None:
    key = who.client.session.session_key or ""
    UserSession.objects.create(user=who.user, session_key=key, ip="127.0.0.1", user_agent="here")
    elsewhere = Client()
    elsewhere.post(reverse("account_login"), {"login": who.user.email, "password": PASSWORD})
    elsewhere.post(reverse("usersessions_list"))
    assert not Session.objects.filter(session_key=key).exists()


def _change_password(who: Person, notebook: Notebook) -> None:
    new = "another horse, another staple"
    done = who.client.post(
        reverse("account_change_password"),
        {"oldpassword": PASSWORD, "password1": new, "password2": new},
    )
    assert done.status_code == 302


def _password_is_set_for_them(who: Person, notebook: Notebook) -> None:
    fresh = User.objects.get(pk=who.user.pk)
    fresh.set_password("another horse, another staple")
    fresh.save(update_fields=["password"])


def _lock(who: Person, notebook: Notebook) -> None:
    user_lock(user=who.user, now=timezone.now())


def _lock_row(who: Person, notebook: Notebook) -> None:
    User.objects.filter(pk=who.user.pk).update(locked_at=timezone.now())


def _deactivate(who: Person, notebook: Notebook) -> None:
    User.objects.filter(pk=who.user.pk).update(is_active=False)


def _session_expires(who: Person, notebook: Notebook) -> None:
    Session.objects.update(expire_date=timezone.now())


def _access_expires(who: Person, notebook: Notebook) -> None:
    NotebookAccess.objects.update(expires_at=timezone.now())


def _leave(who: Person, notebook: Notebook) -> None:
    WorkspaceMembership.objects.filter(user=who.user).delete()


def _demote(who: Person, notebook: Notebook) -> None:
    WorkspaceMembership.objects.filter(user=who.user).update(role="VIEWER")


def _hand_over(who: Person, notebook: Notebook) -> None:
    other = User.objects.create_user("other@example.org", PASSWORD)
    Notebook.objects.filter(pk=notebook.pk).update(owner=other)


def _orphan(who: Person, notebook: Notebook) -> None:
    Notebook.objects.filter(pk=notebook.pk).update(owner=None)


def _pause(who: Person, notebook: Notebook) -> None:
    Notebook.objects.filter(pk=notebook.pk).update(state="PAUSING")


def _fail(who: Person, notebook: Notebook) -> None:
    Notebook.objects.filter(pk=notebook.pk).update(state="FAILED")


def _remove(who: Person, notebook: Notebook) -> None:
    Notebook.objects.filter(pk=notebook.pk).update(removal_requested_at=timezone.now())


def _token_of_another_row(who: Person, notebook: Notebook) -> None:
    sealed = seal(TOKEN, context="workspaces.notebook.sealed_token:another")
    Notebook.objects.filter(pk=notebook.pk).update(sealed_token=sealed)


LOSSES: list[tuple[Callable[[Person, Notebook], None], int]] = [
    (_sign_out, 401),
    (_sign_out_everywhere, 401),
    (_change_password, 401),
    (_password_is_set_for_them, 401),
    (_lock, 401),
    (_lock_row, 401),
    (_deactivate, 401),
    (_session_expires, 401),
    (_access_expires, 401),
    (_leave, 403),
    (_demote, 403),
    (_hand_over, 403),
    (_orphan, 403),
    (_pause, 503),
    (_fail, 503),
    (_remove, 503),
    (_token_of_another_row, 502),
]


@pytest.mark.parametrize(
    ("lose", "status"), LOSSES, ids=lambda value: getattr(value, "__name__", "")
)
def test_a_right_that_is_lost_ends_the_visit(
    person: Callable[..., Person],
    make_notebook: MakeNotebook,
    lose: Callable[[Person, Notebook], None],
    status: int,
) -> None:
    owner = person()
    notebook = make_notebook(owner.user)
    cookie = enter(owner, notebook)
    assert isinstance(seen(cookie), Visit)

    lose(owner, notebook)

    answer = seen(cookie)
    assert isinstance(answer, Refusal)
    assert answer.status == status


@pytest.mark.parametrize("role", ["ADMIN", "VIEWER", "OWNER"])
def test_nobody_but_the_owner_comes_in(
    person: Callable[..., Person], make_notebook: MakeNotebook, role: str
) -> None:
    notebook = make_notebook(person().user)

    answer = seen(enter(person(role), notebook))

    assert isinstance(answer, Refusal)
    assert answer.status == 403
    assert answer.workspace is None


def test_an_owner_of_the_organization_comes_into_their_own(
    person: Callable[..., Person], make_notebook: MakeNotebook
) -> None:
    owner = person("OWNER")

    visit = seen(enter(owner, make_notebook(owner.user)))

    assert isinstance(visit, Visit)
    assert visit.role == "ADMIN"


def test_many_are_looked_at_in_four_queries(
    person: Callable[..., Person], make_notebook: MakeNotebook, django_assert_num_queries: Any
) -> None:
    people = [person() for _ in range(4)]
    cookies = [enter(who, make_notebook(who.user)) for who in people]
    _sign_out(people[0], Notebook.objects.get(owner=people[0].user))
    unknown = digest("never issued")

    with django_assert_num_queries(4):
        answers = look([*cookies, unknown], now=timezone.now())

    assert [isinstance(answers[cookie], Visit) for cookie in cookies] == [False, True, True, True]
    assert isinstance(answers[unknown], Refusal)


def test_what_has_expired_is_forgotten(
    person: Callable[..., Person], make_notebook: MakeNotebook
) -> None:
    owner = person()
    notebook = make_notebook(owner.user)
    cookie = enter(owner, notebook)
    owner.ticket(notebook)
    soon = timezone.now() + timedelta(minutes=1)

    assert accesses_forget(now=soon) == 1

    assert NotebookAccess.objects.get().secret_hash == cookie


def test_roles_of_many_are_the_roles_of_each(
    user: Callable[..., User], workspace: Workspace
) -> None:
    people = []
    for number, (outer, inner) in enumerate(
        (outer, inner)
        for outer in (None, "OWNER", "ADMIN", "BILLING", "MEMBER")
        for inner in (None, "ADMIN", "MEMBER", "VIEWER")
    ):
        made = user(f"p{number}@example.org")
        if outer:
            OrganizationMembership.objects.create(
                organization=workspace.organization, user=made, role=outer
            )
        if inner:
            WorkspaceMembership.objects.create(workspace=workspace, user=made, role=inner)
        people.append(made)

    roles = workspace_roles([(made, workspace) for made in people])

    each = [workspace_role(made, workspace) for made in people]
    assert [roles.get((made.pk, workspace.pk)) for made in people] == each
    assert set(each) == {None, "ADMIN", "MEMBER", "VIEWER"}
