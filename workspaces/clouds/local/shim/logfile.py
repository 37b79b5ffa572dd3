"""The log of a run: one record per line, ``<epoch.millis> TAB <rank or -> TAB <o|e|p> TAB <text>``.

Text is kept byte for byte. A line longer than LIMIT is cut into several records, so that memory
stays flat whatever a program prints. Whoever reads by byte offset and takes whole records only
sees each line exactly once.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from workspaces.clouds.commands import LogLine
from workspaces.clouds.local.shim.failures import Failures, failures_path
from workspaces.clouds.local.shim.space import is_full
from workspaces.clouds.local.shim.state import write_json

LIMIT = 64 * 1024
RECORD_LIMIT = LIMIT + 64
FULL_SECONDS = 1.0  # before more output is tried on a full disk
STREAMS = {"o": "stdout", "e": "stderr", "p": "platform"}
MASK = b"********"


class LineCutter:
    """Cuts the bytes of one stream into lines, and masks secrets before a cut can split one."""

    def __init__(self, secrets: Iterable[bytes] = ()) -> None:
        self._secrets = sorted({s for s in secrets if len(s) > 3}, key=len, reverse=True)
        self._margin = len(self._secrets[0]) - 1 if self._secrets else 0
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        *lines, rest = (self._rest + data).split(b"\n")
        found = [piece for line in lines for piece in self._pieces(self._masked(line))]
        if len(rest) > LIMIT + self._margin:
            rest = self._masked(rest)
        while len(rest) > LIMIT + self._margin:
            cut = whole_characters(rest, LIMIT)
            found.append(rest[:cut])
            rest = rest[cut:]
        self._rest = rest
        return found

    def finish(self) -> list[bytes]:
        """The last line, when the program did not end it."""
        rest, self._rest = self._masked(self._rest), b""
        return list(self._pieces(rest)) if rest else []

    def _masked(self, line: bytes) -> bytes:
        for secret in self._secrets:
            line = line.replace(secret, MASK)
        return line

    @staticmethod
    def _pieces(line: bytes) -> Iterator[bytes]:
        while len(line) > LIMIT:
            cut = whole_characters(line, LIMIT)
            yield line[:cut]
            line = line[cut:]
        yield line


def whole_characters(line: bytes, cut: int) -> int:
    """The nearest place at or before ``cut`` that does not split a UTF-8 character."""
    for back in range(4):
        if line[cut - back] & 0xC0 != 0x80:
            return cut - back
    return cut


class LogWriter:
    """Appends records; each call reaches the file at once, as whole records.

    Past ``limit`` bytes only the platform's own lines are written; of a log that is ``rolling``
    it is the end that is kept, in this file and the one before. While the disk is full, output is
    counted and not kept, the platform's lines wait, and ``catch_up`` tells both.
    """

    def __init__(self, path: Path, *, limit: int | None = None, is_rolling: bool = False) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = path
        self._fd = self._open()
        self._is_rolling = is_rolling
        self._failures = Failures()
        self._limit = self._left = limit
        self._missed = 0
        self._try_at = 0.0
        self._waiting: list[bytes] = []

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        return os.open(self._path, flags, 0o600)

    def write(self, rank: int | None, stream: str, lines: Sequence[bytes]) -> None:
        data = _records(rank, stream, lines)
        if self._is_rolling:
            self._roll(len(data))
        elif not self._has_room(rank, len(data)):
            return
        is_tried = time.monotonic() >= self._try_at and self.catch_up()
        rest = self._append(data) if is_tried else data
        self._missed += rest.count(b"\n")
        if rank is not None and not rest:
            self._failures.note(rank, stream, lines, data, os.lseek(self._fd, 0, os.SEEK_CUR))

    def catch_up(self) -> bool:
        """Tell what a full disk kept from being told; False while it is full."""
        if self._missed:
            words = "line of output was" if self._missed == 1 else "lines of output were"
            told = f"The disk was full: {self._missed} {words} not kept".encode()
            if self._append(_records(None, "p", [told])):
                return False
            self._missed = 0
        while self._waiting:
            if rest := self._append(self._waiting[0]):
                self._waiting[0] = rest
                return False
            del self._waiting[0]
        return True

    def _append(self, data: bytes) -> bytes:
        """Answers the records that did not fit on the disk; none of them is there in part."""
        rest = data
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError as error:
            if not is_full(error):
                raise
            self._try_at = time.monotonic() + FULL_SECONDS
            begin = data.rfind(b"\n", 0, len(data) - len(rest)) + 1
            torn = len(data) - len(rest) - begin
            os.ftruncate(self._fd, os.fstat(self._fd).st_size - torn)
            return data[begin:]
        return b""

    def _roll(self, size: int) -> None:
        """Begin anew before the file grows past the limit."""
        if self._limit is None or os.fstat(self._fd).st_size + size <= self._limit:
            return
        with contextlib.suppress(FileNotFoundError):  # removed with its run
            self._path.replace(self._path.with_name(f"{self._path.name}.before"))
            os.close(self._fd)
            self._fd = self._open()

    def _has_room(self, rank: int | None, size: int) -> bool:
        if rank is None or self._left is None or size == 0:
            return True
        was_open, self._left = self._left > 0, self._left - size
        if was_open and self._left <= 0:
            self.platform(f"The log is full at {_words(self._limit)}; further output is not kept")
        return self._left > 0

    def platform(self, text: str) -> None:
        cutter = LineCutter()
        lines = cutter.feed(text.encode(errors="replace"))
        self._waiting.append(_records(None, "p", lines + cutter.finish()))
        self.catch_up()

    def close(self) -> None:
        """And write down which ranks an exception ended, for ``failures_path``."""
        if found := self._failures.as_dict():
            with contextlib.suppress(OSError):  # a full disk; readers then look at the log's end
                write_json(failures_path(self._path), found)
        os.close(self._fd)


def _records(rank: int | None, stream: str, lines: Iterable[bytes]) -> bytes:
    head = f"{time.time():.3f}\t{'-' if rank is None else rank}\t{stream}\t".encode()
    return b"".join(head + line + b"\n" for line in lines)


def _words(limit: int | None) -> str:
    mebibytes = (limit or 0) // 2**20
    return f"{mebibytes} MiB" if mebibytes else f"{limit} bytes"


def read_records(path: Path, offset: int, max_bytes: int) -> tuple[bytes, int]:
    """Whole records from ``offset`` on, at least one if there is one, and the file's size."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(offset)
            data = file.read(max(max_bytes, 1))
            if b"\n" not in data:
                data += file.read(RECORD_LIMIT)
                data = data[: data.find(b"\n") + 1]
    except FileNotFoundError:
        return b"", 0
    return data[: data.rfind(b"\n") + 1], size


def read_records_before(path: Path, before: int | None, max_bytes: int) -> tuple[bytes, int, int]:
    """Whole records that end at ``before`` (None: at the end), at least one if there is one; the
    offset where they begin, and the file's size.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            end = size if before is None else min(before, size)
            # One byte more tells whether a record begins there.
            begin = max(0, end - max(max_bytes, 1) - 1)
            data = _read_between(file, begin, end)
            if begin and data.find(b"\n") in (-1, len(data) - 1):
                begin = max(0, begin - RECORD_LIMIT)
                data = _read_between(file, begin, end)
    except FileNotFoundError:
        return b"", 0, 0
    if begin:  # the first piece may be the end of a record
        begin += data.find(b"\n") + 1
        data = data[data.find(b"\n") + 1 :]
    return data[: data.rfind(b"\n") + 1], begin, size


def _read_between(file: BinaryIO, begin: int, end: int) -> bytes:
    file.seek(begin)
    return file.read(end - begin)


def parse_record(record: bytes, end: int = 0) -> LogLine | None:
    """None for what is no record (an offset in the middle, a torn last write). ``end``: the offset
    after it.
    """
    try:
        at, rank, stream, text = record.split(b"\t", 3)
        return LogLine(
            at=float(at),
            rank=None if rank == b"-" else int(rank),
            stream=STREAMS[stream.decode()],
            text=text.decode(errors="replace").replace("\0", "�"),
            end=end,
        )
    except (ValueError, KeyError):
        return None
