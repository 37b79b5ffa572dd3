"""Who may come in: a ticket opens a notebook once, a cookie keeps it open, rights close it.

The platform gives the owner a ticket, which is good for one use within ``TICKET_SECONDS`` on that
notebook's host alone. It is turned into a cookie of that host. Both are kept as hashes only.
Nothing is decided at the entrance for good: ``look`` asks every time whether the person may still
be inside, and nobody but the owner may (also no Admin).
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from uuid import UUID

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import transaction

from accounts.models import User
from workspaces.models import Notebook, NotebookAccess
from workspaces.notebooks.addresses import origin_of
from workspaces.permissions import role_may, workspace_roles
from workspaces.secrets import SecretUnreadable, unseal

logger = logging.getLogger(__name__)

TICKET_SECONDS = 30
ENTER_PATH = "/_bodoweb/enter"


@dataclass(frozen=True)
class Visit:
    """Somebody who may be inside now, as of the last look."""

    notebook: Notebook
    user: User
    role: str
    token: str = field(repr=False)


@dataclass(frozen=True)
class Refusal:
    """Why not, in a sentence. ``workspace``: whose notebook page helps, for its owner."""

    status: HTTPStatus
    sentence: str
    workspace: UUID | None = None


SIGNED_OUT = Refusal(
    HTTPStatus.UNAUTHORIZED,
    "Open this notebook from the platform: this browser is not, or no longer, signed in to it.",
)


@transaction.atomic
def ticket_issue(
    *, notebook: Notebook, user: User, session_key: str, session_hash: str, now: datetime
) -> str:
    """The address that lets this person's browser in, once and within TICKET_SECONDS.

    For views: ``session_key=request.session.session_key``,
    ``session_hash=user.get_session_auth_hash()``. The caller has checked the rights; they are
    checked again when the ticket is used. Never log the address.
    """
    NotebookAccess.objects.filter(notebook=notebook, user=user, expires_at__lte=now).delete()
    ticket = secrets.token_urlsafe(32)
    NotebookAccess.objects.create(
        notebook=notebook,
        user=user,
        session_key=session_key,
        session_hash=session_hash,
        secret_hash=digest(ticket),
        created_at=now,
        expires_at=now + timedelta(seconds=TICKET_SECONDS),
    )
    return f"{origin_of(notebook.uuid)}{ENTER_PATH}?ticket={ticket}"


def ticket_redeem(*, ticket: str, notebook: UUID, now: datetime) -> str | None:
    """The value of the cookie, or None: used before, too late, or of another notebook."""
    row = Notebook.objects.filter(uuid=notebook).only("pk").first()
    if row is None:
        return None
    cookie = secrets.token_urlsafe(32)
    # Columns of this table alone, so that of two uses at once the database lets one through.
    changed = NotebookAccess.objects.filter(
        notebook_id=row.pk, secret_hash=digest(ticket), entered_at=None, expires_at__gt=now
    ).update(
        secret_hash=digest(cookie),
        entered_at=now,
        expires_at=now + timedelta(seconds=settings.SESSION_COOKIE_AGE),
    )
    return cookie if changed else None


def accesses_forget(*, now: datetime) -> int:
    """Remove what has expired; how many."""
    return NotebookAccess.objects.filter(expires_at__lte=now).delete()[0]


def look(digests: Collection[str], *, now: datetime) -> dict[str, Visit | Refusal]:
    """What each of these cookies (by ``digest``) is good for now; four queries in all."""
    found = list(
        NotebookAccess.objects.entered(now)
        .filter(secret_hash__in=digests)
        .select_related("user", "notebook__workspace__organization")
    )
    sessions = set(
        Session.objects.filter(
            session_key__in={access.session_key for access in found}, expire_date__gt=now
        ).values_list("session_key", flat=True)
    )
    roles = workspace_roles([(access.user, access.notebook.workspace) for access in found])
    answers: dict[str, Visit | Refusal] = dict.fromkeys(digests, SIGNED_OUT)
    for access in found:
        role = roles.get((access.user_id, access.notebook.workspace_id))
        answers[access.secret_hash] = _answer(access, role, sessions)
    return answers


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _answer(access: NotebookAccess, role: str | None, sessions: set[str]) -> Visit | Refusal:
    notebook, user = access.notebook, access.user
    if not _is_signed_in(access, sessions):
        return SIGNED_OUT
    if notebook.owner_id != user.pk or not role_may(role, "notebook.open"):
        return Refusal(HTTPStatus.FORBIDDEN, "You may not open this notebook any more.")
    if notebook.state != Notebook.State.RUNNING or notebook.removal_requested_at:
        return Refusal(
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"The notebook is {notebook.state}. Start it, or wait until it is RUNNING.",
            notebook.workspace.uuid,
        )
    try:
        token = unseal(notebook.sealed_token, context=notebook.token_context)
    except SecretUnreadable:
        logger.exception("the token of notebook %s can not be read", notebook.uuid)
        return Refusal(
            HTTPStatus.BAD_GATEWAY,
            "The key to this notebook's server can not be read. Reset the notebook.",
            notebook.workspace.uuid,
        )
    return Visit(notebook=notebook, user=user, role=role or "", token=token)


def _is_signed_in(access: NotebookAccess, sessions: set[str]) -> bool:
    """The platform's session lives, and the password is still the one it began with."""
    user = access.user
    return (
        user.is_active
        and not user.is_locked
        and access.session_key in sessions
        and secrets.compare_digest(access.session_hash, user.get_session_auth_hash())
    )
