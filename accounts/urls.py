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
        views.form_view(allauth_views.LoginView, forms.SignInForm),
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
        views.form_view(allauth_views.PasswordChangeView, forms.ChangePasswordForm),
        name="account_change_password",
    ),
    path(
        "password/set/",
        views.form_view(allauth_views.PasswordSetView, forms.SetPasswordForm),
        name="account_set_password",
    ),
    path(
        "password/reset/",
        views.form_view(allauth_views.PasswordResetView, forms.ResetPasswordForm),
        name="account_reset_password",
    ),
    path(
        "password/reset/done/",
        allauth_views.password_reset_done,
        name="account_reset_password_done",
    ),
    re_path(
        r"^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        views.form_view(allauth_views.PasswordResetFromKeyView, forms.ResetPasswordKeyForm),
        name="account_reset_password_from_key",
    ),
    path(
        "password/reset/key/done/",
        allauth_views.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
    path("sessions/", session_views.list_usersessions, name="usersessions_list"),
]
