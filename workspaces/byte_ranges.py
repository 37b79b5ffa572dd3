"""One part of a download, as browsers and download managers ask for it to resume (RFC 9110, 14).

Several ranges at once are answered with the whole file, which the RFC allows: nobody needs them
to resume, and they have been used to overload servers.
"""

from __future__ import annotations

import re

from django.http import HttpRequest
from django.utils.http import http_date

_ONE_RANGE = re.compile(r"bytes=\s*(\d*)\s*-\s*(\d*)\s*", re.ASCII)
_DIGITS = 18  # more than any file has bytes


class RangeNotSatisfiable(Exception):  # noqa: N818 - an answer: 416
    pass


def wanted_range(
    request: HttpRequest, *, size: int, etag: str, modified_at: float
) -> tuple[int, int] | None:
    """(start, stop) as in a slice, or None for the whole file of ``size`` bytes.

    ``etag`` is empty while the file may still be written: then nobody can know that their first
    part belongs to it, and ``If-Range`` gets the whole. Raises RangeNotSatisfiable.
    """
    header = request.headers.get("Range", "")
    if not header or not _is_unchanged(request, etag, modified_at):
        return None
    found = _ONE_RANGE.fullmatch(header.strip())
    if found is None or not any(found.groups()) or max(map(len, found.groups())) > _DIGITS:
        return None
    first, last = (int(text) if text else None for text in found.groups())
    if first is None:  # the last so many bytes
        start, stop = max(0, size - (last or 0)), size
    else:
        if last is not None and last < first:
            return None
        start, stop = first, size if last is None else min(last + 1, size)
    if start >= stop:
        raise RangeNotSatisfiable
    return start, stop


def _is_unchanged(request: HttpRequest, etag: str, modified_at: float) -> bool:
    condition = request.headers.get("If-Range", "").strip()
    if not condition:
        return True
    return bool(etag) and condition in {etag, http_date(modified_at)}
