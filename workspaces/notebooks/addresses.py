"""Which host is which notebook: ``settings.NOTEBOOK_ORIGIN`` with the uuid in its first label.

Every notebook has a host of its own, so that pages of one can not act as another, and none can
act as the platform.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings

_UUID = r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"


def origin_of(notebook: UUID) -> str:
    """As browsers write it in the Origin header."""
    origin: str = settings.NOTEBOOK_ORIGIN.replace("{uuid}", str(notebook))
    return origin


def notebook_of(host: str) -> UUID | None:
    """The notebook that a Host header names, or None. The port belongs to it."""
    found = _pattern(settings.NOTEBOOK_ORIGIN).fullmatch(host.lower())
    return UUID(found.group(1)) if found else None


def is_https() -> bool:
    return bool(settings.NOTEBOOK_ORIGIN.startswith("https:"))


def cookie_name() -> str:
    """With TLS the prefix keeps other hosts of the same domain from setting it."""
    return "__Host-bodoweb-notebook" if is_https() else "bodoweb-notebook"


def platform_page(workspace: UUID | None) -> str:
    """Where a person goes on when the notebook does not answer: its manager, or the start page."""
    path = f"/w/{workspace}/notebooks/" if workspace else "/"
    return f"{settings.PUBLIC_URL}{path}"


@lru_cache(maxsize=4)
def _pattern(origin: str) -> re.Pattern[str]:
    before, _, after = urlsplit(origin).netloc.partition("{uuid}")
    return re.compile(re.escape(before) + _UUID + re.escape(after))
