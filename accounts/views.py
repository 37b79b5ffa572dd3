"""What allauth has no page for: a used activation link, and asking for a new one."""

from __future__ import annotations

from http import HTTPStatus

from allauth.account.internal.flows.email_verification import send_verification_email_to_address
from allauth.account.models import EmailAddress, get_emailconfirmation_model
from allauth.account.views import confirm_email
from allauth.core import ratelimit
from allauth.decorators import rate_limit
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.forms import ActivationForm

RESENT = "If an account waits for its activation under that address, the link is on its way again."


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def activate(request: HttpRequest, key: str) -> HttpResponse:
    """F007: a GET only asks, so a mail scanner that follows links activates nothing."""
    confirmation = get_emailconfirmation_model().from_key(key)
    if confirmation is None or not confirmation.email_address.can_set_verified():
        form = ActivationForm()
        return render(request, "account/link_expired.html", {"form": form}, status=HTTPStatus.GONE)
    response: HttpResponse = confirm_email(request, key=key)
    return response


@never_cache
@rate_limit(action="signup")  # type: ignore[no-untyped-call,untyped-decorator]  # allauth's
@require_http_methods(["GET", "HEAD", "POST"])
def activation_resend(request: HttpRequest) -> HttpResponse:
    """The same answer for every address, known or not."""
    form = ActivationForm(request.POST or None)
    if form.is_valid():
        _send_again(request, form.cleaned_data["email"].lower())
        messages.info(request, RESENT)
        return redirect("account_resend_activation")
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.is_bound else HTTPStatus.OK
    return render(request, "account/activation_resend.html", {"form": form}, status=status)


def _send_again(request: HttpRequest, email: str) -> None:
    """At most one in three minutes to an address (allauth), five a minute of any kind."""
    if not ratelimit.consume(request, action="reset_password", key=email):
        return
    address = EmailAddress.objects.filter(email=email, verified=False).first()
    if address:
        send_verification_email_to_address(request, address, signup=True)
