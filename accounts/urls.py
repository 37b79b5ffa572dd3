"""Under /accounts/: the pages of allauth that we offer, by allauth's own names.

Sign-up is in ``bodoweb/urls.py``: it makes an organization too.
"""

from __future__ import annotations

from allauth.account import views as allauth_views
from allauth.usersessions import views as session_views
from django.urls import path, re_path

from accounts import forms, views

urlpatterns = [
    path(
        "login/",
        allauth_views.LoginView.as_view(form_class=forms.SignInForm),
        name="account_login",
    ),
    path("logout/", allauth_views.logout, name="account_logout"),
    path("inactive/", allauth_views.account_inactive, name="account_inactive"),
    path(
        "confirm-email/",
        allauth_views.email_verification_sent,
        name="account_email_verification_sent",
    ),
    path("confirm-email/again/", views.activation_resend, name="account_resend_activation"),
    re_path(r"^confirm-email/(?P<key>[-:\w]+)/$", views.activate, name="account_confirm_email"),
    path(
        "password/change/",
        allauth_views.PasswordChangeView.as_view(form_class=forms.ChangePasswordForm),
        name="account_change_password",
    ),
    path(
        "password/set/",
        allauth_views.PasswordSetView.as_view(form_class=forms.SetPasswordForm),
        name="account_set_password",
    ),
    path(
        "password/reset/",
        allauth_views.PasswordResetView.as_view(form_class=forms.ResetPasswordForm),
        name="account_reset_password",
    ),
    path(
        "password/reset/done/",
        allauth_views.password_reset_done,
        name="account_reset_password_done",
    ),
    re_path(
        r"^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        allauth_views.PasswordResetFromKeyView.as_view(form_class=forms.ResetPasswordKeyForm),
        name="account_reset_password_from_key",
    ),
    path(
        "password/reset/key/done/",
        allauth_views.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
    path("sessions/", session_views.list_usersessions, name="usersessions_list"),
]
