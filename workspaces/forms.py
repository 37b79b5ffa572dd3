"""Forms of organizations, cloud configurations and workspaces. Forms never save."""

from __future__ import annotations

import re
from typing import Any, cast
from uuid import uuid4

from allauth.account import forms as allauth_forms
from django import forms
from django.conf import settings
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from accounts.forms import EMAIL_LABEL, speak_plainly
from accounts.models import User
from workspaces.models import CloudConfiguration, Organization, Workspace
from workspaces.services import cloud_of, organization_create

NAME_TAKEN = "An organization with this name exists already."


PROVIDER_WORDS = {
    "aws": "AWS runs clusters in your own AWS account.",
    "local": "Local runs clusters on this machine and needs no account.",
}


class CloudConfigurationForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs alone
    """Name and provider; a provider's own fields follow the choice (F014)."""

    class Meta:
        model = CloudConfiguration
        fields = ["provider", "name"]
        widgets = {"provider": forms.RadioSelect}

    def __init__(self, *args: Any, organization: Organization, **kwargs: Any) -> None:  # noqa: ANN401 - Django's signature
        super().__init__(*args, **kwargs)
        self.instance.organization = organization
        labels = dict(CloudConfiguration.Provider.choices)
        provider = self.fields["provider"]
        assert isinstance(provider, forms.ChoiceField)  # noqa: S101 - for the type checker
        provider.choices = [(name, labels[name]) for name in settings.PROVIDERS]
        provider.help_text = (
            " ".join(PROVIDER_WORDS[name] for name in settings.PROVIDERS)
            or "No provider is enabled on this installation; operators set BODO_LOCAL_CLOUD."
        )
        if len(settings.PROVIDERS) == 1:
            self.initial["provider"] = settings.PROVIDERS[0]

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        name = (cleaned or {}).get("name", "")
        same = CloudConfiguration.objects.filter(
            organization=self.instance.organization, name__iexact=name
        )
        if name and same.exists():
            self.add_error("name", f"Your organization has a configuration named {name} already.")
        return cleaned


class CloudConfigurationField(forms.ModelChoiceField[CloudConfiguration]):
    def label_from_instance(self, obj: CloudConfiguration) -> str:
        """The option shows provider and UUID (V17)."""
        return f"{obj.name} ({obj.get_provider_display()}, {obj.uuid})"


class WorkspaceForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs alone
    """Name, cloud configuration, region (F026). The region list follows the configurations."""

    uuid = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4)
    cloud_configuration = CloudConfigurationField(
        queryset=CloudConfiguration.objects.none(),
        label="Cloud configuration",
        empty_label="Select a cloud configuration…",
    )

    class Meta:
        model = Workspace
        fields = ["name", "cloud_configuration", "region"]

    def __init__(self, *args: Any, organization: Organization, **kwargs: Any) -> None:  # noqa: ANN401 - Django's signature
        super().__init__(*args, **kwargs)
        configurations = organization.cloud_configurations.all()
        field = self.fields["cloud_configuration"]
        assert isinstance(field, forms.ModelChoiceField)  # noqa: S101 - for the type checker
        field.queryset = configurations
        self._regions = {c.pk: cloud_of(c).regions() for c in configurations}
        names = {r.name: r.label for regions in self._regions.values() for r in regions}
        self.fields["region"] = forms.ChoiceField(label="Region", choices=list(names.items()))
        if len(self._regions) == 1:
            self.initial.setdefault("cloud_configuration", next(iter(self._regions)))

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        configuration, region = cleaned.get("cloud_configuration"), cleaned.get("region")
        if configuration and region:
            offered = {r.name for r in self._regions[configuration.pk]}
            if region not in offered:
                self.add_error("region", f"{configuration.name} has no region {region}.")
        return cleaned


class SignupForm(allauth_forms.SignupForm):
    """One form makes the organization and its first user (F003, F004)."""

    organization_name = forms.CharField(
        label="Organization name",
        min_length=2,
        max_length=80,
        help_text="If this is your individual account, use a unique name such as "
        "firstname_lastname.",
        widget=forms.TextInput(attrs={"autocomplete": "organization"}),
    )
    first_name = forms.CharField(
        label="First name",
        max_length=150,
        widget=forms.TextInput(attrs={"autocomplete": "given-name"}),
    )
    last_name = forms.CharField(
        label="Last name",
        max_length=150,
        widget=forms.TextInput(attrs={"autocomplete": "family-name"}),
    )
    terms = forms.BooleanField()

    field_order = (
        "organization_name",
        "email",
        "password1",
        "password2",
        "first_name",
        "last_name",
        "terms",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - allauth's signature
        super().__init__(*args, **kwargs)
        labels = {"email": EMAIL_LABEL, "password1": "Password", "password2": "Repeat password"}
        speak_plainly(self, labels)
        self.fields["terms"].label = format_html(
            'I accept <a href="{}" target="_blank">terms and conditions</a>', reverse("terms")
        )

    def clean_organization_name(self) -> str:
        name = " ".join(self.cleaned_data["organization_name"].split())
        # Unaccented letters only: the database compares others by case in its own ways.
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 ._&'-]*", name):
            raise forms.ValidationError(
                "Begin with a letter or digit, and use letters A to Z, digits, spaces and . _ - & '"
            )
        if Organization.objects.filter(name__iexact=name).exists():
            raise forms.ValidationError(NAME_TAKEN)
        return name

    def try_save(self, request: HttpRequest) -> tuple[User | None, HttpResponse | None]:
        """The new user, or the answer for a known e-mail address, or neither and a field error.

        The checks above may be overtaken by somebody else's sign-up; then the database says no.
        """
        if self.account_already_exists:
            User().set_password(self.cleaned_data["password1"])  # takes as long as a new account
            return self._as_if_new(request)
        try:
            with transaction.atomic():
                return cast("User", self.save(request)), None
        except IntegrityError:
            name = self.cleaned_data["organization_name"]
            if Organization.objects.filter(name__iexact=name).exists():
                self.add_error("organization_name", NAME_TAKEN)
                return None, None
            self.account_already_exists = True
            return self._as_if_new(request)

    def _as_if_new(self, request: HttpRequest) -> tuple[None, HttpResponse]:
        _, response = super().try_save(request)
        return None, response

    def signup(self, request: HttpRequest, user: User) -> None:
        """Called by allauth's ``save`` within our transaction."""
        user.terms_version = settings.TERMS_VERSION
        user.terms_accepted_at = timezone.now()
        user.save(update_fields=["terms_version", "terms_accepted_at"])
        organization_create(name=self.cleaned_data["organization_name"], owner=user)
