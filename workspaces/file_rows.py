"""Files as the page shows them: readable names, addresses, sizes and dates."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from workspaces.clouds.shared_files import FileKind, SharedFile, SharedFiles, Usage, visible
from workspaces.file_forms import ROOT

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")
_NEAR_COUNT = 100
_OLD_SECONDS = 30
_ICONS = {
    FileKind.FILE: "file",
    FileKind.FOLDER: "folder",
    FileKind.LINK: "link",
    FileKind.SPECIAL: "plug",
}


@dataclass(frozen=True)
class Row:
    label: str
    key: str
    icon: str
    kind: str
    size: str
    modified_at: datetime | None
    target: str
    is_protected: bool


@dataclass(frozen=True)
class Crumb:
    label: str
    key: str


class UsageLine:
    """What is used of a quota, or of nothing but the disk."""

    def __init__(self, usage: Usage) -> None:
        self.used = ("" if usage.is_complete else "more than ") + size_text(usage.used_bytes)
        self.room = size_text(usage.room_bytes)
        self.quota = size_text(usage.quota_bytes) if usage.quota_bytes else ""
        self.counted_at = datetime.fromtimestamp(usage.counted_at, UTC)
        self.is_old = time.time() - usage.counted_at > _OLD_SECONDS
        self.is_over = usage.is_over_quota
        self.percent = min(100, 100 * usage.used_bytes // (usage.quota_bytes or 1))


def key_of(path: str) -> str:
    """``path`` as the value in a query; also names that are no UTF-8 come back the same."""
    try:
        return quote(os.fsencode(path), safe="/")
    except UnicodeEncodeError:  # half a character, typed into the address; no file has it
        return quote(path.encode("utf-8", "replace"), safe="/")


def row_of(file: SharedFile) -> Row:
    return Row(
        label=visible(file.name),
        key=key_of(file.path),
        icon=_ICONS[file.kind],
        kind=file.kind.value,
        size=size_text(file.size) if file.kind == FileKind.FILE else "",
        modified_at=_time(file.modified_at),
        target=visible(file.target),
        is_protected=file.is_protected,
    )


def crumbs_of(path: str) -> list[Crumb]:
    names = path.split("/") if path else []
    return [
        Crumb(visible(name), key_of("/".join(names[: depth + 1])))
        for depth, name in enumerate(names)
    ]


def folders_near(files: SharedFiles, path: str) -> list[str]:
    """Where ``path`` may go at a click: those above it and beside it, as people type them. Raises
    CloudError."""
    above = path.rpartition("/")[0]
    beside = files.list(above, hidden=False, start=0, count=_NEAR_COUNT).files
    found = ["/".join(above.split("/")[:depth]) for depth in range(above.count("/") + 2)]
    found += [file.path for file in beside if file.kind == FileKind.FOLDER and file.path != path]
    typed = {f"{ROOT}/{folder}".rstrip("/"): None for folder in found}
    return [folder for folder in typed if folder == visible(folder)]


def size_text(count: int) -> str:
    size, unit = float(count), 0
    while size >= 1024 and unit < len(_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{count} byte{'' if count == 1 else 's'}" if unit == 0 else f"{size:.3g} {_UNITS[unit]}"


def _time(seconds: float) -> datetime | None:
    """Users' code can give a file any date, also one that no calendar has."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None
