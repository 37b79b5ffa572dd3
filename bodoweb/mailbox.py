"""The mails that a development installation wrote instead of sending them.

Public, since the newcomer who looks for the activation link has no account yet; the pages exist
only where settings.HAS_MAILBOX says that no mail server is configured.
"""

from __future__ import annotations

import email
import email.policy
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from workspaces.permissions import public_view

SEPARATOR = b"-" * 79 + b"\n"  # what Django's file backend writes after each mail
SHOWN = 100


@dataclass(frozen=True)
class Mail:
    key: str
    subject: str
    sender: str
    to: str
    date: str
    body: str


@public_view
@never_cache
@require_safe
def mailbox(request: HttpRequest) -> HttpResponse:
    _check_is_there()
    return render(request, "bodoweb/mailbox.html", {"mails": newest_mails(settings.MAILBOX_DIR)})


@public_view
@never_cache
@require_safe
def mail(request: HttpRequest, key: str) -> HttpResponse:
    _check_is_there()
    for found in newest_mails(settings.MAILBOX_DIR):
        if found.key == key:
            return render(request, "bodoweb/mail.html", {"mail": found})
    raise Http404


def _check_is_there() -> None:
    if not settings.HAS_MAILBOX:
        raise Http404


def newest_mails(folder: Path) -> list[Mail]:
    """File names begin with the second of writing; several mails may share a file."""
    mails: list[Mail] = []
    for path in sorted(folder.glob("*.log"), key=lambda p: p.stat().st_mtime_ns, reverse=True):
        parts = [part for part in path.read_bytes().split(SEPARATOR) if part.strip()]
        numbered = [_parsed(f"{path.stem}-{n}", part) for n, part in enumerate(parts)]
        mails += reversed(numbered)
        if len(mails) >= SHOWN:
            break
    return mails[:SHOWN]


def _parsed(key: str, raw: bytes) -> Mail:
    # Django writes a mail and a line feed before the separator.
    message = email.message_from_bytes(raw, _class=EmailMessage, policy=email.policy.default)
    part = message.get_body(preferencelist=("plain", "html"))
    body = part.get_content() if part else ""
    fields = {name: str(message[name] or "") for name in ("Subject", "From", "To", "Date")}
    return Mail(key, fields["Subject"], fields["From"], fields["To"], fields["Date"], body)
