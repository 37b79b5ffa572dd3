"""Where allauth asks us: lock-out at sign-in, activation, and mails whose links we vouch for."""

from __future__ import annotations

import logging
from http import HTTPStatus
from smtplib import SMTPException
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.stagekit import clear_login
from allauth.account.models import EmailAddress, get_emailconfirmation_model
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from accounts.services import user_activate, user_lock

logger = logging.getLogger(__name__)


def public_url(path: str) -> str:
    """A link for a mail: never built from the request, whose Host header a stranger may choose."""
    return f"{settings.PUBLIC_URL}{path}"


class AccountAdapter(DefaultAccountAdapter):
    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "email_password_mismatch": "The e-mail address or the password is not correct.",
        "enter_current_password": "That is not your current password.",
    }

    def pre_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse | None:  # type: ignore[override]  # noqa: ANN401 - allauth's long list of keywords
        """Called with the right password only, so the answer tells a stranger nothing (F009)."""
        response: HttpResponse | None = super().pre_login(request, user, **kwargs)
        if response or kwargs.get("signup"):
            return response
        now = timezone.now()
        if not user.is_locked and user.is_dormant(now):
            user_lock(user=user, now=now)
        if user.is_locked:
            clear_login(request)
            return render(request, "account/locked.html", status=HTTPStatus.FORBIDDEN)
        return None

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        is_confirmed: bool = super().confirm_email(request, email_address)
        if is_confirmed:
            user_activate(user=email_address.user, now=timezone.now())
        return is_confirmed

    def set_password(self, user: AbstractBaseUser, password: str) -> None:
        """Only the password: saving the whole row could undo a lock set meanwhile (F010)."""
        user.set_password(password)
        user.save(update_fields=["password"])

    def get_email_confirmation_url(self, request: HttpRequest, emailconfirmation: Any) -> str:  # noqa: ANN401 - allauth's own class
        return public_url(reverse("account_confirm_email", args=[emailconfirmation.key]))

    def get_reset_password_from_key_url(self, key: str) -> str:
        uid, _, token = key.partition("-")
        return public_url(reverse("account_reset_password_from_key", args=[uid, token]))

    def send_account_already_exists_mail(self, email: str) -> None:
        """Someone signed up with a known address: its owner alone learns that.

        Whoever never activated gets the activation link again instead.
        """
        address = EmailAddress.objects.filter(email=email, verified=False).first()
        if address:
            confirmation = get_emailconfirmation_model().create(address)
            self.send_confirmation_mail(self.request, confirmation, signup=True)
            return
        links = {
            "sign_in_url": public_url(reverse("account_login")),
            "password_reset_url": public_url(reverse("account_reset_password")),
        }
        self.send_mail("account/email/account_already_exists", email, links)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """A mail server that is down does not undo what the page did: mails can be asked again."""
        message = self.render_mail(
            template_prefix,
            email,
            {
                "email": email,
                "public_url": settings.PUBLIC_URL,
                "expire_days": settings.ACCOUNT_EMAIL_CONFIRMATION_EXPIRE_DAYS,
                **context,
            },
        )
        try:
            message.send()
        except (SMTPException, OSError):
            logger.exception("mail %s could not be sent", template_prefix)
