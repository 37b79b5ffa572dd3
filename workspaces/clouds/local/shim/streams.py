"""From the pipes and FIFOs of a run's processes into its log."""

from __future__ import annotations

import os
import re
import selectors
from collections.abc import Iterable
from pathlib import Path

from workspaces.clouds.local.shim.logfile import LineCutter, LogWriter

CHUNK = 64 * 1024
HELD_LINES = 200
# Hydra's words when a signal ended a rank. Its own exit code is the signal's number with one
# node, but 255 or 137 with several, because the other proxies fail over it.
KILLED_RANK = re.compile(rb"=   EXIT CODE: (\d+)")


class Stream:
    """``held`` lines are kept back: an MPI launcher's own words matter only when it failed."""

    def __init__(self, fd: int, rank: int | None, kind: str, cutter: LineCutter) -> None:
        self.fd = fd
        self.rank = rank
        self.kind = kind
        self.cutter = cutter
        self.is_held = False
        self.held: list[bytes] = []


class Pump:
    """Copies whatever is readable, never blocks on one silent writer."""

    def __init__(self, log: LogWriter, secrets: Iterable[bytes]) -> None:
        self._log = log
        self._secrets = list(secrets)
        self._selector = selectors.DefaultSelector()
        self._streams: list[Stream] = []
        self.last_line = b""
        self.rank_signal: int | None = None

    def watch_signals(self, fd: int) -> None:
        self._selector.register(fd, selectors.EVENT_READ, None)

    def open_pipe(self, *, is_held: bool) -> int:
        """The write end, for a child; the caller closes it after the start."""
        reading, writing = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(reading, False)
        self._add(reading, None, "p").is_held = is_held
        return writing

    def open_rank_fifos(self, folder: Path, ranks: int) -> None:
        """out.<rank> and err.<rank>. They never report an end before their first writer came."""
        folder.mkdir(mode=0o700)
        for rank in range(ranks):
            for name, kind in (("out", "o"), ("err", "e")):
                path = folder / f"{name}.{rank}"
                os.mkfifo(path, 0o600)
                flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
                self._add(os.open(path, flags), rank, kind)

    def run(self, timeout: float | None) -> None:
        """Wait for output or a signal at most that long, and copy what there is."""
        for key, _ in self._selector.select(timeout):
            if key.data is None:
                os.read(key.fd, 4096)
            elif not self._copy(key.data):
                self._close(key.data)

    def drain(self, *, show_held: bool) -> None:
        """Copy the rest after the program's end; a writer that lives on does not hold us."""
        for stream in self._streams:
            while stream.fd >= 0 and self._copy(stream):
                pass
            if stream.fd >= 0:
                self._close(stream)
            self._emit(stream, stream.cutter.finish())
            if show_held and stream.held:
                self._log.write(None, "p", stream.held)
        self._streams.clear()

    def _add(self, fd: int, rank: int | None, kind: str) -> Stream:
        stream = Stream(fd, rank, kind, LineCutter(self._secrets))
        self._streams.append(stream)
        self._selector.register(fd, selectors.EVENT_READ, stream)
        return stream

    def _copy(self, stream: Stream) -> bool:
        """One read; False when there was nothing (more) to read."""
        try:
            data = os.read(stream.fd, CHUNK)
        except BlockingIOError:
            return False
        self._emit(stream, stream.cutter.feed(data))
        return bool(data)

    def _emit(self, stream: Stream, lines: list[bytes]) -> None:
        if not lines:
            return
        if stream.rank is None:
            self.last_line = next((ln for ln in reversed(lines) if ln.strip()), self.last_line)
        if stream.is_held:
            stream.held = (stream.held + lines)[-HELD_LINES:]
            told = KILLED_RANK.search(b"\n".join(lines))
            self.rank_signal = int(told.group(1)) if told else self.rank_signal
        else:
            self._log.write(stream.rank, stream.kind, lines)

    def _close(self, stream: Stream) -> None:
        self._selector.unregister(stream.fd)
        os.close(stream.fd)
        stream.fd = -1
