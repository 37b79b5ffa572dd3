"""When a notebook server pauses by itself. Pure arithmetic: the page shows what the timer does."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings

from workspaces.models import Notebook


def idle_minutes(notebook: Notebook) -> int:
    """0 is never."""
    own = notebook.idle_minutes
    installation: int = settings.NOTEBOOK_IDLE_MINUTES
    return installation if own is None else own


def pauses_at(notebook: Notebook) -> datetime | None:
    """None while it does not run, or when its timer is Never."""
    minutes = idle_minutes(notebook)
    since = notebook.last_activity_at or notebook.ready_at
    if not minutes or since is None or not notebook.is_open:
        return None
    return since + timedelta(minutes=minutes)


def is_due(notebook: Notebook, now: datetime) -> bool:
    at = pauses_at(notebook)
    return at is not None and at <= now
