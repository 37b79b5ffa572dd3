"""What a lower floor must ask a higher one, by dotted path, so that imports still go down only."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.conf import settings
from django.utils.module_loading import import_string

from workspaces.models import Notebook, Workspace
from workspaces.operations.lifecycle import Actor


class SpendingRefused(Exception):  # noqa: N818 - an expected refusal, with a sentence for the user
    pass


def spending_check(*, workspace: Workspace, actor: Actor) -> None:
    """Raises SpendingRefused when one of ``settings.SPENDING_GUARDS`` says no."""
    for path in settings.SPENDING_GUARDS:
        import_string(path)(workspace=workspace, actor=actor)


def names_living_in(workspace: Workspace) -> list[str]:
    """What ``settings.WORKSPACE_TENANTS`` say would be lost with the workspace (F092, F094)."""
    return [name for path in settings.WORKSPACE_TENANTS for name in import_string(path)(workspace)]


def cluster_choices(workspace: Workspace) -> list[tuple[UUID, str]]:
    """(uuid, label) of the clusters that a new notebook may be attached to (F036)."""
    choices: list[tuple[UUID, str]] = import_string(settings.NOTEBOOK_CLUSTER_CHOICES)(workspace)
    return choices


def cluster_names(notebooks: Collection[Notebook]) -> dict[UUID, str]:
    """By notebook: the names of the clusters that it works with; a constant number of queries."""
    names: dict[UUID, str] = import_string(settings.NOTEBOOK_CLUSTER_NAMES)(notebooks)
    return names


def notebook_ended(notebook: Notebook) -> None:
    """Its processes have ended: ``settings.NOTEBOOK_ENDINGS`` let go of what it used."""
    for path in settings.NOTEBOOK_ENDINGS:
        import_string(path)(notebook)
