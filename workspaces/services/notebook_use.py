"""Looking at what notebook servers do, and writing it down for their idle rule and others'."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from django.db.models import Q

from workspaces.models import Notebook
from workspaces.notebooks.activity import ServerActivity, look
from workspaces.notebooks.probe import NoAnswer
from workspaces.secrets import SecretUnreadable, unseal

logger = logging.getLogger(__name__)

LOOKS_AT_ONCE = 8
Activities = Mapping[int, ServerActivity | None]


def notebooks_look(notebooks: Iterable[Notebook]) -> Activities:
    """By primary key; None where the server did not answer, or where nobody can ask it."""
    rows = list(notebooks)
    if not rows:
        return {}
    with ThreadPoolExecutor(min(LOOKS_AT_ONCE, len(rows))) as threads:
        return dict(zip([row.pk for row in rows], threads.map(_look, rows), strict=True))


def _look(notebook: Notebook) -> ServerActivity | None:
    try:
        token = unseal(notebook.sealed_token, context=notebook.token_context)
        return look(notebook.address, token)
    except NoAnswer:
        return None
    except SecretUnreadable as error:
        logger.warning("notebook %s can not be asked what it does: %s", notebook.uuid, error)
        return None


def notebooks_note_activity(*, activities: Activities, now: datetime) -> None:
    """For the servers' own idle rule: a busy kernel is activity now."""
    for pk, activity in activities.items():
        if activity is None:
            continue
        used = now if activity.is_busy else activity.last_at
        if used is not None:
            used = min(used, now)
            behind = Q(last_activity_at=None) | Q(last_activity_at__lt=used)
            Notebook.objects.filter(behind, pk=pk).update(last_activity_at=used)
