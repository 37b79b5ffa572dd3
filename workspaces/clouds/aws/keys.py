"""A customer's access keys on their one way: form, request, this object, the call to AWS (F052)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True)
class AccessKeys:
    """Never stored, queued, logged or shown; printing it shows nothing."""

    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)


class SetupStep(StrEnum):
    """What is done with them, in this order; each may be repeated."""

    RIGHTS = "rights"
    BUCKET = "bucket"
    TABLE = "table"
    ROLE = "role"
