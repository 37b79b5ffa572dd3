"""Pages of a log: bounded reads, filters, equal lines of ranks folded, and who failed first.

Nothing here holds more than a page: a log may be as large as its provider keeps it. Positions are
byte offsets at the ends of lines, so whoever reads on from the last one sees each line once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import UUID

from django.utils.html import escape

from workspaces.clouds.base import Cloud, LogChunk, LogLine

READ_BYTES = 24_000  # as HTML at most six times as much
PAGE_HTML_BYTES = 50_000  # a page is full from here on; with one more read it stays below 200 kB
SCAN_BYTES = 2_000_000  # searched by one request
SHOWN_CHARACTERS = 6_000  # of one line; the download has all of it
MARKUP_BYTES = 110  # around one line
FOLD_SECONDS = 2.0
FAILURE_BYTES = 512 * 1024
FAILURE_LINES = 40
DOWNLOAD_BYTES = 256 * 1024
TRACEBACK = "Traceback (most recent call last)"


@dataclass(frozen=True)
class LogQuery:
    """What the reader asked for; ``attempt`` chooses the log."""

    attempt: int
    rank: int | None = None
    stream: str = ""
    words: str = ""
    is_folded: bool = True

    @property
    def is_filtered(self) -> bool:
        return self.rank is not None or bool(self.stream or self.words)

    def matches(self, line: LogLine) -> bool:
        return (
            (self.rank is None or line.rank == self.rank)
            and (not self.stream or line.stream == self.stream)
            and (not self.words or self.words.lower() in line.text.lower())
        )

    def as_url(self) -> str:
        rank = "" if self.rank is None else str(self.rank)
        pairs = {"attempt": self.attempt, "rank": rank, "stream": self.stream, "q": self.words}
        return urlencode({**pairs, "fold": "" if self.is_folded else "no"})


@dataclass(frozen=True)
class ShownLine:
    """``ranks`` is "0", or "0-3,7" for equal lines; empty for the platform's own."""

    ranks: str
    stream: str
    text: str
    cut_characters: int = 0


@dataclass(frozen=True)
class LogPage:
    """``is_full``: it ends before the log does, because it is large enough."""

    lines: list[ShownLine]
    offset: int
    next_offset: int
    size: int
    is_complete: bool
    is_full: bool

    @property
    def is_at_end(self) -> bool:
        return self.next_offset >= self.size or self.is_complete


@dataclass(frozen=True)
class Failure:
    """The rank whose traceback came first, and which others ended in the same way."""

    rank: int
    others: str
    text: str


def read_forward(cloud: Cloud, command: UUID, query: LogQuery, offset: int) -> LogPage:
    """Matching lines from ``offset`` on, until the page is full or enough was searched."""
    found: list[LogLine] = []
    size_of_page, position = 0, offset
    while True:
        chunk = cloud.read_log(command, offset=position, max_bytes=READ_BYTES)
        matching = [line for line in chunk.lines if query.matches(line)]
        found += matching
        size_of_page += sum(_html_bytes(line) for line in matching)
        is_stuck = chunk.next_offset == position
        position = chunk.next_offset
        is_full = size_of_page > PAGE_HTML_BYTES
        if is_stuck or is_full or chunk.is_complete or position - offset > SCAN_BYTES:
            return _page(found, query, offset, chunk, is_full=is_full)


def read_backward(
    cloud: Cloud, command: UUID, query: LogQuery, *, before: int | None, floor: int = 0
) -> LogPage:
    """The page that ends at ``before`` (None: the log's end) and begins at ``floor`` or later."""
    room = READ_BYTES if before is None else min(READ_BYTES, before - floor)
    chunk = cloud.read_log_before(command, before=before, max_bytes=room)
    return _page(list(chunk.lines), query, chunk.offset, chunk, is_full=chunk.offset > floor)


def _page(
    lines: list[LogLine], query: LogQuery, offset: int, chunk: LogChunk, *, is_full: bool
) -> LogPage:
    shown = folded(lines) if query.is_folded else [_shown(line, [line.rank]) for line in lines]
    return LogPage(shown, offset, chunk.next_offset, chunk.size, chunk.is_complete, is_full)


def folded(lines: Iterable[LogLine]) -> list[ShownLine]:
    """Equal lines that ranks wrote at about the same time become one; no rank's own lines change
    their order.
    """
    groups: list[tuple[LogLine, list[int | None]]] = []
    last_of_rank: dict[int, int] = {}
    by_text: dict[tuple[str, str], list[int]] = {}
    for line in lines:
        if line.rank is None:
            groups.append((line, [None]))
            continue
        equal = by_text.setdefault((line.stream, line.text), [])
        after = last_of_rank.get(line.rank, -1)
        place = next(
            (n for n in equal[-4:] if n > after and line.at - groups[n][0].at < FOLD_SECONDS), None
        )
        if place is None:
            place = len(groups)
            groups.append((line, []))
            equal.append(place)
        groups[place][1].append(line.rank)
        last_of_rank[line.rank] = place
    return [_shown(line, ranks) for line, ranks in groups]


def _shown(line: LogLine, ranks: Sequence[int | None]) -> ShownLine:
    cut = max(0, len(line.text) - SHOWN_CHARACTERS)
    return ShownLine(rank_words(ranks), line.stream, line.text[:SHOWN_CHARACTERS], cut)


def rank_words(ranks: Iterable[int | None]) -> str:
    """ "0-3,7" of 0, 1, 2, 3 and 7."""
    spans: list[tuple[int, int]] = []
    for rank in sorted(rank for rank in ranks if rank is not None):
        if spans and spans[-1][1] == rank - 1:
            spans[-1] = (spans[-1][0], rank)
        else:
            spans.append((rank, rank))
    return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in spans)


def _html_bytes(line: LogLine) -> int:
    return len(escape(line.text[:SHOWN_CHARACTERS]).encode()) + MARKUP_BYTES


def first_failure(cloud: Cloud, command: UUID) -> Failure | None:
    """The rank that an exception ended first, wherever in the log; where its writer noted none,
    from the tracebacks at the log's end. None when there is none there either.
    """
    noted = cloud.log_failures(command)
    if not noted:
        return _failure_at_end(cloud, command)
    first = min(noted, key=lambda failure: failure.offset)
    same = [other.rank for other in noted if other is not first and other.line == first.line]
    words = _words_of(cloud, command, first.rank, first.offset)
    return Failure(first.rank, rank_words(same), "\n".join(words)) if words else None


def _words_of(cloud: Cloud, command: UUID, rank: int, offset: int) -> list[str]:
    """The first lines of the rank's stderr from there on, between those of other ranks."""
    words: list[str] = []
    end = offset + FAILURE_BYTES
    while len(words) < FAILURE_LINES and offset < end:
        chunk = cloud.read_log(command, offset=offset, max_bytes=READ_BYTES)
        mine = [line for line in chunk.lines if line.rank == rank and line.stream == "stderr"]
        words += [line.text[:SHOWN_CHARACTERS] for line in mine]
        if chunk.next_offset == offset:
            break
        offset = chunk.next_offset
    return words[:FAILURE_LINES]


def _failure_at_end(cloud: Cloud, command: UUID) -> Failure | None:
    chunk = cloud.read_log_before(command, before=None, max_bytes=FAILURE_BYTES)
    blocks: dict[int, list[str]] = {}
    first_at: dict[int, int] = {}
    for place, line in enumerate(chunk.lines):
        if line.rank is None or line.stream != "stderr":
            continue
        if line.text.startswith(TRACEBACK):
            blocks[line.rank], first_at[line.rank] = [], place
        if line.rank in blocks:
            blocks[line.rank].append(line.text[:SHOWN_CHARACTERS])
    if not blocks:
        return None
    rank = min(blocks, key=first_at.__getitem__)
    words = blocks[rank]
    same = [other for other in blocks if other != rank and blocks[other][-1] == words[-1]]
    return Failure(rank, rank_words(same), "\n".join(words[:FAILURE_LINES]))


def as_text(cloud: Cloud, command: UUID) -> Iterator[bytes]:
    """The whole log, each line begun by its rank, a piece at a time."""
    offset = 0
    while True:
        chunk = cloud.read_log(command, offset=offset, max_bytes=DOWNLOAD_BYTES)
        yield "".join(
            f"{'' if line.rank is None else f'{line.rank}: '}{line.text}\n" for line in chunk.lines
        ).encode()
        if chunk.is_complete or chunk.next_offset == offset:
            return
        offset = chunk.next_offset
