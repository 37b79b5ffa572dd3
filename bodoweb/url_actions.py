"""What views that are not ours require, by URL name; our own carry it as ``.action``."""

from __future__ import annotations

from workspaces.permissions import PUBLIC, SIGNED_IN

STAFF = "staff"

THIRD_PARTY_ACTIONS: dict[str, str] = {
    "account_login": PUBLIC,
    "account_logout": PUBLIC,  # a POST; without a session it does nothing
    "account_inactive": PUBLIC,
    "account_email_verification_sent": PUBLIC,
    "account_resend_activation": PUBLIC,
    "account_confirm_email": PUBLIC,
    "account_reset_password": PUBLIC,
    "account_reset_password_done": PUBLIC,
    "account_reset_password_from_key": PUBLIC,
    "account_reset_password_from_key_done": PUBLIC,
    "account_change_password": SIGNED_IN,
    "account_set_password": SIGNED_IN,
    "usersessions_list": SIGNED_IN,
}
THIRD_PARTY_NAMESPACES: dict[str, str] = {"admin": STAFF}


def action_of(view: object, name: str, namespace: str) -> str | None:
    """The action a URL asks for; None when nobody said."""
    own: str | None = getattr(view, "action", None)
    return own or THIRD_PARTY_NAMESPACES.get(namespace) or THIRD_PARTY_ACTIONS.get(name)
