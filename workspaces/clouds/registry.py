"""Which class drives which provider, imported only when it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import cast

from workspaces.clouds.base import Cloud

DRIVERS = {
    "local": ("workspaces.clouds.local.driver", "LocalCloud"),
}


def cloud_for(provider: str, settings: Mapping[str, object]) -> Cloud:
    """Raises KeyError for a provider that this version does not drive."""
    module, name = DRIVERS[provider]
    return cast("Cloud", getattr(import_module(module), name)(settings))
