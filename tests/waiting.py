"""Waiting for a condition instead of sleeping."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(look: Callable[[], T], *, timeout: float = 10, every: float = 0.02) -> T:
    """Call ``look`` until it answers something true, and return that."""
    deadline = time.monotonic() + timeout
    while not (found := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"nothing came true in {timeout} s; the last answer was {found!r}")
        time.sleep(every)
    return found
