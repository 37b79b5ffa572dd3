from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import ProtectedError

from workspaces.clouds.base import Cloud
from workspaces.clouds.registry import cloud_for
from workspaces.models import CloudConfiguration, Organization
from workspaces.operations.lifecycle import Actor
from workspaces.services.timeline import timeline_note


class CloudConfigurationInUse(Exception):  # noqa: N818 - an expected refusal
    """Workspaces are tied to it (F021); the text names the way out."""


def cloud_of(configuration: CloudConfiguration) -> Cloud:
    """The driver for a configuration: the installation's settings under its own."""
    base: dict[str, Any] = settings.CLOUD_SETTINGS.get(configuration.provider, {})
    return cloud_for(configuration.provider, {**configuration.settings, **base})


@transaction.atomic
def cloud_configuration_create(
    *, organization: Organization, name: str, provider: str, actor: Actor
) -> CloudConfiguration:
    configuration = CloudConfiguration.objects.create(
        organization=organization, name=name, provider=provider
    )
    after = {"name": name, "provider": provider}
    timeline_note(organization, configuration, actor, "cloud_configuration.create", after=after)
    return configuration


@transaction.atomic
def cloud_configuration_remove(*, configuration: CloudConfiguration, actor: Actor) -> None:
    """Raises CloudConfigurationInUse while any workspace was ever tied to it (F021)."""
    organization, name = configuration.organization, configuration.name
    try:
        with transaction.atomic():
            configuration.delete()
    except ProtectedError as error:
        raise CloudConfigurationInUse(
            f"{name} can not be removed: workspaces are tied to it, and their history needs it."
        ) from error
    before = {"name": name}
    timeline_note(organization, configuration, actor, "cloud_configuration.remove", before=before)
