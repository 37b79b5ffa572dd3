"""Forms of organizations, cloud configurations and workspaces. Forms never save."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django import forms
from django.conf import settings

from workspaces.models import CloudConfiguration, Organization, Workspace
from workspaces.services import cloud_of


class CloudConfigurationForm(forms.ModelForm[CloudConfiguration]):
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
            "Local runs clusters on this machine and needs no account."
            if settings.PROVIDERS
            else "No provider is enabled on this installation; operators set BODO_LOCAL_CLOUD."
        )
        if len(settings.PROVIDERS) == 1:
            self.initial.setdefault("provider", settings.PROVIDERS[0])

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        name = (cleaned or {}).get("name", "")
        same = CloudConfiguration.objects.filter(
            organization=self.instance.organization, name__iexact=name
        )
        if name and same.exists():
            self.add_error("name", f"Your organization has a configuration named {name} already.")
        return cleaned


class WorkspaceForm(forms.ModelForm[Workspace]):
    """Name, cloud configuration, region (F026). The region list follows the configurations."""

    uuid = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4)

    class Meta:
        model = Workspace
        fields = ["name", "cloud_configuration", "region"]

    def __init__(self, *args: Any, organization: Organization, **kwargs: Any) -> None:  # noqa: ANN401 - Django's signature
        super().__init__(*args, **kwargs)
        configurations = organization.cloud_configurations.all()
        field = self.fields["cloud_configuration"]
        assert isinstance(field, forms.ModelChoiceField)  # noqa: S101 - for the type checker
        field.queryset = configurations
        field.empty_label = "Select a cloud configuration…"
        field.label_from_instance = (  # type: ignore[method-assign]  # Django's documented hook
            lambda c: f"{c.name} ({c.get_provider_display()}, {c.uuid})"
        )
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
