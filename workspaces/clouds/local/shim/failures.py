"""Where in a log each rank's last words begin: the traceback that ended it.

Kept while the log is written, so that whoever reads a large one need not search it. A traceback
after which its rank went on writing was caught, and ended nothing. Standard library only.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

TRACEBACK = b"Traceback (most recent call last)"
LAST_WORDS_SECONDS = 5.0  # what a rank had buffered comes after its traceback
LINE_LIMIT = 300


@dataclass
class LastWords:
    """``offset``: of the record with the traceback's first line. ``line``: the exception."""

    offset: int
    line: str = ""
    at: float = 0.0


class Failures:
    def __init__(self) -> None:
        self._found: dict[int, LastWords] = {}
        self._wrote_at: dict[int, float] = {}

    def note(self, rank: int, stream: str, lines: Sequence[bytes], data: bytes, end: int) -> None:
        """``data``, the records of these lines, was appended and the log ends at ``end`` now."""
        self._wrote_at[rank] = time.monotonic()
        words = self._found.get(rank)
        is_open = words is not None and not words.line
        if stream != "e" or not (is_open or TRACEBACK in data):
            return
        head = (len(data) - sum(len(line) + 1 for line in lines)) // max(len(lines), 1)
        offset = end - len(data)
        for line in lines:
            if line.startswith(TRACEBACK):
                words = self._found[rank] = LastWords(offset, at=self._wrote_at[rank])
            elif words and not words.line and line and not line.startswith(b" "):
                words.line = line[:LINE_LIMIT].decode(errors="replace")
            offset += head + len(line) + 1

    def as_dict(self) -> dict[str, dict[str, object]]:
        """By rank; of those that an exception ended."""
        return {
            str(rank): asdict(words)
            for rank, words in self._found.items()
            if self._wrote_at[rank] - words.at <= LAST_WORDS_SECONDS
        }


def failures_path(log: Path) -> Path:
    return log.with_suffix(".failures.json")
