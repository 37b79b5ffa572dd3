"""All rules, and how they get into moto."""

from __future__ import annotations

from types import ModuleType

from tests.clouds.aws import (
    images,
    lag,
    moto_hooks,
    permissions,
    roles,
)

DECLARED: tuple[ModuleType, ...] = (roles,)


def install() -> None:
    """Change moto, once per process. The rules of ``DECLARED`` declared themselves on import."""
    for module in (images, permissions, lag, moto_hooks):
        module.install()
