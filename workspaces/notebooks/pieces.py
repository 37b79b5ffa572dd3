"""Files that Lab sends in pieces: more than a mebibyte goes as PUTs with ``"chunk": 1, 2, ... -1``.

Each would pass alone, and the file would grow past the limit that one save has. So they are added
up; the piece that goes too far is answered 413, and what Jupyter has of the file by then is
removed, because a file cut short looks like a whole one. What the browser sends is counted, not
what kernels write: this keeps the limit of ``BODO_UPLOAD_MIB`` one, it is no quota.
"""

from __future__ import annotations

import re
from uuid import UUID

PREFIX = "/api/contents/"
# Lab's pieces are 1 MiB, a third more in base64.
PIECE_BYTES = 4 * 1024 * 1024
HEAD_BYTES = 4096
FILES_AT_MOST = 1000

_CHUNK = re.compile(rb'"chunk"\s*:\s*(-?\d+)')
_CONTENT = re.compile(rb'"content"\s*:\s*"')


class Pieces:
    """Files under way, by notebook and path."""

    def __init__(self) -> None:
        self._sizes: dict[tuple[UUID, str], int] = {}

    def grow(self, notebook: UUID, path: str, body: bytes) -> int:
        """How large the file is with this piece, in bytes. The last one ends the count."""
        found = _CHUNK.search(body[:HEAD_BYTES])
        number = int(found.group(1)) if found else 1
        key = (notebook, path)
        before = 0 if number == 1 else self._sizes.pop(key, 0)
        size = before + content_bytes(body)
        if number != -1:
            if len(self._sizes) >= FILES_AT_MOST:
                self._sizes.pop(next(iter(self._sizes)))
            self._sizes[key] = size
        return size

    def forget(self, notebook: UUID, path: str) -> None:
        self._sizes.pop((notebook, path), None)


def is_piece(body: bytes) -> bool:
    return bool(_CHUNK.search(body[:HEAD_BYTES]))


def content_bytes(body: bytes) -> int:
    """Of the file that a model's base64 ``content`` stands for; of a text its length as sent."""
    begin = _CONTENT.search(body[:HEAD_BYTES])
    if begin is None:
        return len(body)
    end = body.rindex(b'"')
    length = end - begin.end()
    if b'"base64"' not in body[: begin.start()]:
        return length
    padding = body[max(begin.end(), end - 2) : end].count(b"=")
    return length * 3 // 4 - padding
