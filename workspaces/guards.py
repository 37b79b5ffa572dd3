"""What is asked before anything that costs. Higher floors name their guards in the settings."""

from __future__ import annotations

from django.conf import settings
from django.utils.module_loading import import_string

from workspaces.models import Workspace
from workspaces.operations.lifecycle import Actor


class SpendingRefused(Exception):  # noqa: N818 - an expected refusal, with a sentence for the user
    pass


def spending_check(*, workspace: Workspace, actor: Actor) -> None:
    """Raises SpendingRefused when one of ``settings.SPENDING_GUARDS`` says no."""
    for path in settings.SPENDING_GUARDS:
        import_string(path)(workspace=workspace, actor=actor)
