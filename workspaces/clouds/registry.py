"""Which class drives which provider; loaded when first asked for, because SDKs are heavy."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import cast

from workspaces.clouds.base import Cloud

PROVIDERS = {
    "aws": ("AWS", "workspaces.clouds.aws.driver:AwsCloud"),
    "local": ("Local", "workspaces.clouds.local.driver:LocalCloud"),
}


def provider_choices() -> list[tuple[str, str]]:
    """(name, label) in the order in which a form offers them."""
    return [(name, label) for name, (label, _) in PROVIDERS.items()]


def cloud_for(provider: str, settings: Mapping[str, object]) -> Cloud:
    """A driver for one cloud configuration. Cheap; raises KeyError for an unknown provider."""
    module, _, name = PROVIDERS[provider][1].partition(":")
    return cast("Cloud", getattr(import_module(module), name)(settings))
