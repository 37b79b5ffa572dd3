"""The contract of a workspace's shared tree, ``/shared`` of the documents (F019, F147).

Paths are relative to the tree, their names joined by "/"; "" is the tree itself. Names are what
the file system holds, undecodable bytes as surrogates, so every file that users' code made can be
addressed; ``visible`` is for showing them. No path and no link leads out of the tree.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class FileKind(StrEnum):
    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    SPECIAL = "special"  # a fifo, a socket, a device: listed, never opened


@dataclass(frozen=True)
class SharedFile:
    """``modified_at`` is in epoch seconds; ``target`` is what a link says, wherever it leads.

    ``is_protected``: the platform's own, which nobody writes, renames or deletes here.
    ``version`` of a file is another after each change of it, so two parts of one version fit
    together. It is empty where that can not be known, as just after a write.
    """

    path: str
    kind: FileKind
    size: int
    modified_at: float
    is_protected: bool = False
    target: str = ""
    version: str = ""

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class FolderPage:
    """Some files of a folder, folders first, then by name. ``total`` counts all that would be
    shown on its pages, ``hidden`` the dot files left out of them."""

    files: tuple[SharedFile, ...]
    total: int
    hidden: int


@dataclass(frozen=True)
class Usage:
    """``is_complete`` is False when counting was given up: ``used_bytes`` is then a lower bound.
    ``counted_at``, in epoch seconds, is when it was true: what users' code wrote later is not in
    it. ``quota_bytes`` is 0 where only the disk is the limit."""

    used_bytes: int
    free_bytes: int
    counted_at: float
    quota_bytes: int = 0
    is_complete: bool = True

    @property
    def room_bytes(self) -> int:
        """What may still be stored."""
        if not self.quota_bytes:
            return self.free_bytes
        return max(0, min(self.free_bytes, self.quota_bytes - self.used_bytes))

    @property
    def is_over_quota(self) -> bool:
        return 0 < self.quota_bytes < self.used_bytes


class FileReader(Protocol):
    """An open file: its bytes in chunks, no more than ``file.size`` said when it was opened."""

    file: SharedFile

    def only(self, start: int, stop: int) -> None:
        """Of the file, the bytes ``start:stop`` alone; call it before the first chunk."""

    def __iter__(self) -> Iterator[bytes]: ...

    def close(self) -> None: ...


class FileDraft(Protocol):
    """A file being written. It is in no folder before ``commit``, and nowhere after ``discard``,
    nor after the process that writes it has died."""

    path: str
    size: int

    def write(self, data: bytes) -> None:
        """Raises CloudError "TooLarge", "Quota" or "NoSpace"."""

    def commit(self, *, replace: bool) -> None:
        """Appear as a whole, or raise. "Exists" when a file has the name and ``replace`` is not
        asked for; what is no file is never replaced."""

    def discard(self) -> None:
        """Harmless after ``commit`` and when called again."""


class SharedFiles(Protocol):
    """Every method raises CloudError: "NotFound", "BadName", "Exists", "NotAFile",
    "NotAFolder", "Protected", "Denied", or what :class:`FileDraft` names."""

    @property
    def location(self) -> str:
        """What people type on a node to get there (K19)."""

    def list(self, path: str, *, hidden: bool, start: int, count: int) -> FolderPage: ...

    def stat(self, path: str) -> SharedFile: ...

    def open(self, path: str) -> FileReader: ...

    def draft(self, folder: str, name: str, *, max_bytes: int) -> FileDraft: ...

    def make_folder(self, folder: str, name: str) -> str:
        """Answers its path."""

    def move(self, path: str, folder: str, name: str) -> str:
        """Into ``folder`` as ``name``, never over something else; answers the new path. Raises
        CloudError "BadFolder" too, where ``folder`` is none or lies in what is moved."""

    def remove(self, path: str) -> None:
        """A folder with all that is in it; a link alone, never what it leads to."""

    def usage(self, *, seconds: float | None = None) -> Usage:
        """Counts for ``seconds`` at most; where that is too short, the last ``measure``."""

    def measure(self, *, seconds: float) -> bool:
        """Count all files, also those that users' code wrote, and keep that for ``usage``. False
        where ``seconds`` were too short."""


_HIDDEN_KINDS = ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp")


def visible(text: str) -> str:
    """``text`` as it can be shown, stored and logged: what has no shape of its own, such as
    control characters and marks that turn the direction, as its code; spaces at the ends too."""
    inner = text.strip(" ")
    if not inner:
        return "␣" * len(text)
    start, end = text.split(inner[0], 1)[0], text.rpartition(inner[-1])[2]
    return "␣" * len(start) + "".join(map(_visible_character, inner)) + "␣" * len(end)


def _visible_character(character: str) -> str:
    kind = unicodedata.category(character)
    if kind in _HIDDEN_KINDS or (kind == "Zs" and character != " "):
        if 0xDC80 <= ord(character) <= 0xDCFF:  # a byte that is no UTF-8, see os.fsdecode
            return f"[{ord(character) - 0xDC00:02X}]"
        return f"[U+{ord(character):04X}]"
    return character
