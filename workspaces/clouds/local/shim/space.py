"""A full disk: nothing is wrong with us, and it may have room again at any moment.

Standard library only, because the shim imports it.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
SENTENCE = "The disk of the platform's machine is full."


def is_full(error: OSError) -> bool:
    return error.errno in FULL


@contextlib.contextmanager
def unless_full() -> Iterator[None]:
    """Leave the block when there is no room; whoever comes next tries again."""
    try:
        yield
    except OSError as error:
        if not is_full(error):
            raise
