"""Daily duties of accounts; see PERIODIC_DUTIES in the settings."""

from __future__ import annotations

from django.utils import timezone

from accounts.services import dormant_users_lock


def lock_dormant_users() -> int:
    """F010. How many were locked."""
    return dormant_users_lock(now=timezone.now())
