"""What accounts must ask the floors above, by dotted path, so that imports still go down only."""

from __future__ import annotations

from collections.abc import Collection

from django.conf import settings
from django.utils.module_loading import import_string

from accounts.models import User


class UserRefused(Exception):  # noqa: N818 - an expected refusal, with a sentence for the operator
    pass


def user_departure_check(users: Collection[User]) -> None:
    """Before they are deleted or deactivated, in the same transaction. Raises UserRefused when one
    of ``settings.USER_GUARDS`` says no."""
    for path in settings.USER_GUARDS:
        import_string(path)(users=users)
