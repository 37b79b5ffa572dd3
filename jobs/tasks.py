"""What the queue may run by name; see PERIODIC_DUTIES in the settings."""

from __future__ import annotations

from django.conf import settings
from django.utils import timezone

from jobs.services import old_logs_remove


def remove_old_logs() -> int:
    """Of how many jobs."""
    return old_logs_remove(now=timezone.now(), days=settings.JOB_LOG_DAYS)
