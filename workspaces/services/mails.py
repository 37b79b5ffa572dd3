"""Mails to people about their teams and what they run there, after the commit."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from smtplib import SMTPException

from django.core.mail import EmailMessage
from django.template.loader import render_to_string

from workspaces.operations.lifecycle import Actor

logger = logging.getLogger(__name__)


def mail_send(template: str, *, to: str, context: Mapping[str, object]) -> bool:
    """Of ``<template>_subject.txt`` and ``<template>_body.txt``. False when the mail server could
    not take it, which undoes nothing."""
    subject = render_to_string(f"{template}_subject.txt", dict(context))
    body = render_to_string(f"{template}_body.txt", dict(context))
    message = EmailMessage(" ".join(subject.split()), body, to=[to])
    try:
        message.send()
    except (SMTPException, OSError):
        logger.exception("mail %s could not be sent", template)
        return False
    return True


def name_of(actor: Actor) -> str:
    if actor.user is None:
        return "bodoweb"
    return " ".join(actor.user.get_full_name().split()) or actor.user.email
