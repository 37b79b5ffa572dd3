"""What allauth has no page for, a used activation link and asking for a new one; and its form
views, which answer as ours do."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

from allauth.account.internal.flows.email_verification import send_verification_email_to_address
from allauth.account.models import EmailAddress, get_emailconfirmation_model
from allauth.account.views import confirm_email
from allauth.core import ratelimit
from allauth.decorators import rate_limit
from django.contrib import messages
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.template.response import TemplateResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from django.views.generic import FormView

from accounts.forms import ActivationForm

RESENT = "If an account waits for its activation under that address, the link is on its way again."


def form_view(view: type[FormView[Any]], form: type[BaseForm]) -> Callable[..., HttpResponseBase]:
    """A form view of allauth's with our form. An invalid one is answered 422, where allauth
    answers 200 as to whoever just came: scripts and htmx look at nothing else."""
    shown = view.as_view(form_class=form)

    @wraps(shown)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:  # noqa: ANN401 - URL arguments
        response = shown(request, *args, **kwargs)
        if isinstance(response, TemplateResponse) and response.status_code == HTTPStatus.OK:
            bound = (response.context_data or {}).get("form")
            if request.method == "POST" and bound and bound.errors:
                response.status_code = HTTPStatus.UNPROCESSABLE_ENTITY
        return response

    return answered


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
