"""Pages of a log: bounded reads, filters, equal lines of ranks folded, and who failed first.

Nothing here holds more than a page: a log may be as large as its provider keeps it. Positions are
byte offsets at the ends of lines, so whoever reads on from the last one sees each line once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode
from uuid import UUID

from django.utils.html import escape

from workspaces.clouds.base import Cloud
from workspaces.clouds.commands import LogChunk, LogLine

READ_BYTES = 24_000  # as HTML at most six times as much
PAGE_HTML_BYTES = 50_000  # a page is full from here on; with one more read it stays below 200 kB
SCAN_BYTES = 2_000_000  # searched by one request
SHOWN_CHARACTERS = 6_000  # of one line; the download has all of it
MARKUP_BYTES = 110  # around one line
FOLD_SECONDS = 2.0
NEIGHBOUR_BYTES = 8_000  # of the next page, to see which of its lines belong to this one's
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
        if is_full and query.is_folded:
            found, position = _ending_between_groups(cloud, command, query, found, position)
            is_complete = chunk.is_complete and position >= chunk.size
            chunk = replace(chunk, next_offset=position, is_complete=is_complete)
        if is_stuck or is_full or chunk.is_complete or position - offset > SCAN_BYTES:
            return _page(found, query, offset, chunk, is_full=is_full)


def read_backward(
    cloud: Cloud, command: UUID, query: LogQuery, *, before: int | None, floor: int = 0
) -> LogPage:
    """The page that ends at ``before`` (None: the log's end) and begins at ``floor`` or later."""
    room = READ_BYTES if before is None else min(READ_BYTES, before - floor)
    chunk = cloud.read_log_before(command, before=before, max_bytes=room)
    lines, offset = list(chunk.lines), chunk.offset
    if offset > floor and query.is_folded:
        lines, offset = _beginning_between_groups(cloud, command, lines, offset, floor)
    return _page(lines, query, offset, chunk, is_full=offset > floor)


def _ending_between_groups(
    cloud: Cloud, command: UUID, query: LogQuery, lines: list[LogLine], position: int
) -> tuple[list[LogLine], int]:
    """The page's lines and its end, moved back so that no equal lines are torn apart by it; as they
    were when ranks are so far from each other that there is no such place near.
    """
    after = cloud.read_log(command, offset=position, max_bytes=NEIGHBOUR_BYTES).lines
    both = [*lines, *(line for line in after if query.matches(line))]
    whole = [place for place in _between_groups(both) if len(lines) // 2 < place <= len(lines)]
    if not whole or whole[-1] == len(lines):
        return lines, position
    return lines[: whole[-1]], lines[whole[-1] - 1].end


def _beginning_between_groups(
    cloud: Cloud, command: UUID, lines: list[LogLine], offset: int, floor: int
) -> tuple[list[LogLine], int]:
    """The same for a page that is read backward: its beginning moves on."""
    room = min(NEIGHBOUR_BYTES, offset - floor)
    before = cloud.read_log_before(command, before=offset, max_bytes=room).lines
    places = (place - len(before) for place in _between_groups([*before, *lines]))
    first = next((place for place in places if 0 <= place < len(lines) // 2), 0)
    return lines[first:], lines[first - 1].end if first else offset


def _between_groups(lines: Sequence[LogLine]) -> list[int]:
    """Before which lines a page may end: those that would become one stay together."""
    last_of_group = {min(group.places): max(group.places) for group in _groups(lines)}
    found, reach = [], -1
    for place in range(len(lines)):
        if place > reach:
            found.append(place)
        reach = max(reach, last_of_group.get(place, -1))
    return [*found, len(lines)] if reach < len(lines) else found


def _page(
    lines: list[LogLine], query: LogQuery, offset: int, chunk: LogChunk, *, is_full: bool
) -> LogPage:
    shown = folded(lines) if query.is_folded else [_shown(line, [line.rank]) for line in lines]
    return LogPage(shown, offset, chunk.next_offset, chunk.size, chunk.is_complete, is_full)


@dataclass(frozen=True)
class _Group:
    """Equal lines: the first one, and the places of all of them among the lines."""

    line: LogLine
    ranks: list[int | None]
    places: list[int]


def folded(lines: Iterable[LogLine]) -> list[ShownLine]:
    """Equal lines that ranks wrote at about the same time become one; no rank's own lines change
    their order.
    """
    return [_shown(group.line, group.ranks) for group in _groups(lines)]


def _groups(lines: Iterable[LogLine]) -> list[_Group]:
    groups: list[_Group] = []
    last_of_rank: dict[int, int] = {}
    by_text: dict[tuple[str, str], list[int]] = {}
    for number, line in enumerate(lines):
        if line.rank is None:
            groups.append(_Group(line, [None], [number]))
            continue
        equal = by_text.setdefault((line.stream, line.text), [])
        after = last_of_rank.get(line.rank, -1)
        place = next(
            (n for n in equal[-4:] if n > after and line.at - groups[n].line.at < FOLD_SECONDS),
            None,
        )
        if place is None:
            place = len(groups)
            groups.append(_Group(line, [], []))
            equal.append(place)
        groups[place].ranks.append(line.rank)
        groups[place].places.append(number)
        last_of_rank[line.rank] = place
    return groups


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
