"""Allauth's forms in the documents' words, and the one that asks for the activation link."""

from __future__ import annotations

from typing import Any

from allauth.account import forms as allauth_forms
from django import forms
from django.conf import settings

EMAIL_LABEL = "E-mail address"
PASSWORD_HINT = f"At least {settings.PASSWORD_MIN_LENGTH} characters, and hard to guess."


class SignInForm(allauth_forms.LoginForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - allauth's signature
        super().__init__(*args, **kwargs)
        speak_plainly(self, {"login": EMAIL_LABEL, "password": "Password"})
        self.fields["login"].widget.attrs["autocomplete"] = "username"
        self.fields["password"].help_text = ""


class ResetPasswordForm(allauth_forms.ResetPasswordForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - allauth's signature
        super().__init__(*args, **kwargs)
        speak_plainly(self, {"email": EMAIL_LABEL})


class ResetPasswordKeyForm(allauth_forms.ResetPasswordKeyForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - allauth's signature
        super().__init__(*args, **kwargs)
        speak_plainly(self, {"password1": "New password", "password2": "Repeat new password"})


class ChangePasswordForm(allauth_forms.ChangePasswordForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - allauth's signature
        super().__init__(*args, **kwargs)
        labels = {
            "oldpassword": "Current password",
            "password1": "New password",
            "password2": "Repeat new password",
        }
        speak_plainly(self, labels)
        self.fields["oldpassword"].help_text = ""


class SetPasswordForm(allauth_forms.SetPasswordForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - allauth's signature
        super().__init__(*args, **kwargs)
        speak_plainly(self, {"password1": "New password", "password2": "Repeat new password"})


class ActivationForm(forms.Form):
    email = forms.EmailField(
        label=EMAIL_LABEL, widget=forms.EmailInput(attrs={"autocomplete": "email"})
    )


def speak_plainly(form: forms.BaseForm, labels: dict[str, str]) -> None:
    """Our labels, one short hint for passwords, and no placeholder that repeats the label."""
    for name, label in labels.items():
        field = form.fields[name]
        field.label = label
        field.widget.attrs.pop("placeholder", None)
        if name == "password1":
            field.help_text = PASSWORD_HINT
