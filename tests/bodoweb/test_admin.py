from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib import admin
from django.test import Client

import bodoweb.urls  # noqa: F401 - it sets the admin up
from accounts.models import User


@pytest.mark.parametrize("name", ["schedule", "success", "failure", "ormq"])
def test_the_queue_is_not_in_the_admin(
    user: Callable[..., User], signed_in: Callable[[User], Client], name: str
) -> None:
    """Its rows name functions and hold pickles: who edits them runs commands as the worker."""
    operator = user(is_staff=True, is_superuser=True)

    assert signed_in(operator).get(f"/admin/django_q/{name}/").status_code == 404
    assert not [model for model in admin.site._registry if model._meta.app_label == "django_q"]


def test_staff_without_being_superusers_can_not_make_themselves_one(
    user: Callable[..., User], signed_in: Callable[[User], Client]
) -> None:
    from django.contrib.auth.models import Permission

    helper = user(is_staff=True)
    helper.user_permissions.set(
        Permission.objects.filter(codename__in=["change_user", "view_user"])
    )

    signed_in(helper).post(
        f"/admin/accounts/user/{helper.pk}/change/",
        {"first_name": "Eve", "is_active": "on", "is_staff": "on", "is_superuser": "on"},
    )

    helper.refresh_from_db()
    assert helper.first_name == "Eve"
    assert not helper.is_superuser


def test_accounts_are_not_added_in_the_admin(
    user: Callable[..., User], signed_in: Callable[[User], Client]
) -> None:
    operator = user(is_staff=True, is_superuser=True)

    assert signed_in(operator).get("/admin/accounts/user/add/").status_code == 403
