"""Operators delete and deactivate users, and no organization loses its last Owner by that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from workspaces.models import Organization, OrganizationMembership

Member = Callable[..., User]
SENTENCE = "Acme would have no Owner any more. Make somebody else an Owner first."


@pytest.fixture
def operator(user: Callable[..., User], signed_in: Callable[[User], Client]) -> Client:
    return signed_in(user("root@example.org", is_staff=True, is_superuser=True))


def delete_one(operator: Client, person: User) -> Any:
    return operator.post(
        reverse("admin:accounts_user_delete", args=[person.pk]), {"post": "yes"}, follow=True
    )


def delete_some(operator: Client, *people: User) -> Any:
    return operator.post(
        reverse("admin:accounts_user_changelist"),
        {"action": "delete_selected", "_selected_action": [p.pk for p in people], "post": "yes"},
        follow=True,
    )


def deactivate(operator: Client, person: User) -> Any:
    return operator.post(
        reverse("admin:accounts_user_change", args=[person.pk]),
        {"first_name": "Ada", "last_name": "Lovelace"},
        follow=True,
    )


@pytest.mark.parametrize("way", [delete_one, delete_some, deactivate])
def test_the_last_owner_stays(operator: Client, member: Member, way: Callable[..., Any]) -> None:
    owner = member("OWNER")
    member("ADMIN")

    response = way(operator, owner)

    owner.refresh_from_db()
    assert owner.is_active
    assert SENTENCE in response.content.decode()
    assert OrganizationMembership.objects.filter(user=owner, role="OWNER").exists()


@pytest.mark.parametrize("way", [delete_one, delete_some, deactivate])
def test_one_of_two_owners_may_go(
    operator: Client, member: Member, way: Callable[..., Any]
) -> None:
    owner = member("OWNER")
    member("OWNER")

    way(operator, owner)

    assert not User.objects.filter(pk=owner.pk, is_active=True).exists()


def test_all_owners_at_once_stay(operator: Client, member: Member) -> None:
    owners = [member("OWNER"), member("OWNER")]

    response = delete_some(operator, *owners)

    assert SENTENCE in response.content.decode()
    assert User.objects.filter(pk__in=[owner.pk for owner in owners]).count() == 2


@pytest.mark.parametrize("way", [delete_one, delete_some, deactivate])
def test_an_owner_who_is_deactivated_does_not_count(
    operator: Client, member: Member, way: Callable[..., Any]
) -> None:
    owner, earlier = member("OWNER"), member("OWNER")
    User.objects.filter(pk=earlier.pk).update(is_active=False)

    assert SENTENCE in way(operator, owner).content.decode()
    assert User.objects.filter(pk=owner.pk, is_active=True).exists()
    assert way is deactivate or SENTENCE not in way(operator, earlier).content.decode()


def test_whoever_owns_nothing_goes(operator: Client, member: Member) -> None:
    person = member("ADMIN")
    member("OWNER")

    delete_one(operator, person)

    assert not User.objects.filter(pk=person.pk).exists()


def test_the_name_of_the_last_owner_can_be_changed(
    operator: Client, member: Member, organization: Organization
) -> None:
    owner = member("OWNER")

    operator.post(
        reverse("admin:accounts_user_change", args=[owner.pk]),
        {"first_name": "Ada", "last_name": "Lovelace", "is_active": "on"},
    )

    owner.refresh_from_db()
    assert owner.get_full_name() == "Ada Lovelace"
