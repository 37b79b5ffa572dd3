"""All rules, and how they get into moto."""

from __future__ import annotations

from types import ModuleType

from tests.clouds.aws import (
    capacity,
    client_tokens,
    commands,
    dependencies,
    dry_runs,
    file_systems,
    gateways,
    images,
    lag,
    launches,
    moto_hooks,
    pages,
    permissions,
    phases,
    placement_groups,
    quotas,
    roles,
)

DECLARED: tuple[ModuleType, ...] = (
    capacity,
    client_tokens,
    commands,
    dependencies,
    file_systems,
    gateways,
    launches,
    placement_groups,
    quotas,
    roles,
)


def install() -> None:
    """Change moto, once per process. The rules of ``DECLARED`` declared themselves on import."""
    for module in (images, permissions, phases, pages, dry_runs, lag, moto_hooks):
        module.install()
