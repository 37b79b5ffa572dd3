"""The shared tree of a Local workspace, as pages see it."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from workspaces.clouds.base import CloudError
from workspaces.clouds.local.drafts import PARTIAL, LocalDraft
from workspaces.clouds.local.measures import Measure, measure_add, measure_read, measure_write
from workspaces.clouds.local.tree import (
    DEPTH,
    FOLDER,
    bytes_in,
    check_new_name,
    delete,
    look,
    names_of,
    opened,
    rename_at_once,
    shown,
    told,
)
from workspaces.clouds.shared_files import FileKind, FolderPage, SharedFile, Usage, visible

CHUNK_BYTES = 64 * 1024
HOSTFILE = ".hostfile-"
SETTLED_SECONDS = 2
UPLOAD_COUNT_SECONDS = 0.5


class LocalFiles:
    def __init__(self, workspaces: Path, workspace: str, *, quota_bytes: int = 0) -> None:
        self._base = workspaces
        self._tree = [workspace, "shared"]
        self._quota_bytes = quota_bytes

    @property
    def location(self) -> str:
        return str(self._base.joinpath(*self._tree))

    def list(self, path: str, *, hidden: bool, start: int, count: int) -> FolderPage:
        with told(path), self._folder(path) as folder:
            with os.scandir(folder) as entries:
                found = [(not e.is_dir(follow_symlinks=False), e.name) for e in entries]
            shown_ones = [f for f in found if hidden or not f[1].startswith(".")]
            shown_ones.sort(key=lambda f: (f[0], f[1].casefold(), f[1]))
            files = []
            for _, name in shown_ones[start : start + count]:
                with contextlib.suppress(FileNotFoundError):  # removed since it was listed
                    files.append(_shared_file(_join(path, name), folder))
        return FolderPage(tuple(files), len(shown_ones), len(found) - len(shown_ones))

    def stat(self, path: str) -> SharedFile:
        if not path:
            with told(path), self._folder("") as folder:
                now = os.fstat(folder)
                return SharedFile("", FileKind.FOLDER, 0, now.st_mtime, is_protected=True)
        with self._parent(path) as (folder, _):
            return _shared_file(path, folder)

    def open(self, path: str) -> LocalReader:
        """What is no plain file is never opened: reading a device or a fifo may hang."""
        if not path:
            raise CloudError("NotAFile", "A folder can not be downloaded.")
        with self._parent(path) as (folder, name):
            if (kind := _shared_file(path, folder).kind) != FileKind.FILE:
                raise CloudError(
                    "NotAFile", f"{shown(path)} is a {_WORDS[kind]} and can not be downloaded."
                )
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            return LocalReader(path, os.open(name, flags, dir_fd=folder))

    def draft(self, folder: str, name: str, *, max_bytes: int) -> LocalDraft:
        check_new_name(name)
        with self._new(folder, name) as (path, parent):
            return LocalDraft(
                path,
                parent,
                max_bytes=max_bytes,
                usage=self._usage_soon if self._quota_bytes else None,
                stored=lambda count: measure_add(self._measure, count),
                lock=self._base / self._tree[0] / "files.lock",
            )

    def make_folder(self, folder: str, name: str) -> str:
        check_new_name(name)
        with self._new(folder, name) as (path, parent):
            os.mkdir(name, 0o755, dir_fd=parent)
        return path

    def move(self, path: str, folder: str, name: str) -> str:
        if folder == path or folder.startswith(f"{path}/"):
            raise CloudError("BadFolder", f"{shown(path)} can not be moved into itself.")
        above, _, old_name = path.rpartition("/")
        if name != old_name:
            check_new_name(name)
        if folder != above:
            self._check_folder(folder)
        with self._new(folder, name) as (new, target), self._changeable(path) as (source, old):
            if new == path:
                return path
            try:
                rename_at_once(old, source, name, target)
            except FileExistsError:
                raise CloudError("Exists", f"{shown(new)} exists already.") from None
        return new

    def remove(self, path: str) -> None:
        with self._changeable(path) as (folder, name):
            size = self._size_of(name, folder)
            delete(name, folder)
        measure_add(self._measure, -size)

    def usage(self, *, seconds: float | None = None) -> Usage:
        now = time.time()
        used, is_complete, free = self._counted(seconds)
        if not is_complete:
            measure = measure_read(self._measure)
            if measure and measure.used_bytes >= used:
                used, now, is_complete = measure.used_bytes, measure.at, True
        return Usage(used, free, now, self._quota_bytes, is_complete)

    def measure(self, *, seconds: float) -> bool:
        now = time.time()
        used, is_complete, _ = self._counted(seconds)
        if is_complete:
            measure_write(self._measure, Measure(used, now))
        return is_complete

    def _usage_soon(self) -> Usage:
        """For an upload, which asks twice."""
        return self.usage(seconds=UPLOAD_COUNT_SECONDS)

    def _counted(self, seconds: float | None) -> tuple[int, bool, int]:
        """(bytes used, whether all were counted, bytes free on the disk)."""
        deadline = None if seconds is None else time.monotonic() + seconds
        with told(""), self._folder("") as folder:
            disk = os.fstatvfs(folder)
            return *bytes_in(folder, deadline), disk.f_bavail * disk.f_frsize

    @property
    def _measure(self) -> Path:
        return self._base / self._tree[0] / "usage.json"

    def _size_of(self, name: str, folder: int) -> int:
        """Of what shall be removed, as far as it can be counted at once."""
        now = look(name, folder)
        if not stat.S_ISDIR(now.st_mode):
            return now.st_size if stat.S_ISREG(now.st_mode) else 0
        inner = os.open(name, FOLDER, dir_fd=folder)
        try:
            return bytes_in(inner, time.monotonic() + UPLOAD_COUNT_SECONDS)[0]
        finally:
            os.close(inner)

    def _folder(self, path: str) -> contextlib.AbstractContextManager[int]:
        return opened(self._base, [*self._tree, *names_of(path)])

    def _check_folder(self, path: str) -> None:
        """For a folder that somebody typed."""
        try:
            with self._folder(path):
                return
        except (OSError, CloudError) as error:
            raise CloudError("BadFolder", f"There is no folder {visible(path)[:200]}.") from error

    @contextlib.contextmanager
    def _parent(self, path: str) -> Iterator[tuple[int, str]]:
        """(folder that holds ``path``, its name there); errors are told about ``path``."""
        *above, name = names_of(path)
        with told(path), opened(self._base, [*self._tree, *above]) as folder:
            yield folder, name

    @contextlib.contextmanager
    def _new(self, above: str, name: str) -> Iterator[tuple[str, int]]:
        """(path, folder) of something that shall be called ``name``."""
        path = _join(above, name)
        _check_free(path)
        if len(names_of(above)) >= DEPTH:
            raise CloudError("BadName", f"Folders can be {DEPTH} deep at most.")
        with self._parent(path) as (folder, _):
            yield path, folder

    @contextlib.contextmanager
    def _changeable(self, path: str) -> Iterator[tuple[int, str]]:
        """For something that shall be renamed or removed."""
        if not path:
            raise CloudError("Protected", "The shared folder itself stays.")
        _check_free(path)
        with self._parent(path) as found:
            yield found


class LocalReader:
    """Give it an open file; it owns it, also when it raises."""

    def __init__(self, path: str, file: int) -> None:
        self._descriptor = file
        now = os.fstat(file)
        if not stat.S_ISREG(now.st_mode):
            self.close()
            raise CloudError("NotAFile", f"{shown(path)} is not a file any more.")
        self.file = SharedFile(
            path, FileKind.FILE, now.st_size, now.st_mtime, version=_version(now)
        )
        self._at, self._stop = 0, now.st_size

    def only(self, start: int, stop: int) -> None:
        self._at, self._stop = start, min(stop, self.file.size)

    def __iter__(self) -> Iterator[bytes]:
        while self._at < self._stop:
            data = os.pread(self._descriptor, min(CHUNK_BYTES, self._stop - self._at), self._at)
            if not data:
                return  # it became shorter
            self._at += len(data)
            yield data

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1


def _version(now: os.stat_result) -> str:
    """By the time of its inode's last change, which users' code can not set back as it can the
    file's own. Clocks of file systems have steps, so a second write may bear the first one's."""
    if time.time() - now.st_ctime < SETTLED_SECONDS:
        return ""
    return f"{now.st_ino:x}-{now.st_size:x}-{now.st_ctime_ns:x}"


_WORDS = {
    FileKind.FILE: "file",
    FileKind.FOLDER: "folder",
    FileKind.LINK: "link",
    FileKind.SPECIAL: "special file",
}


def _shared_file(path: str, folder: int) -> SharedFile:
    name = path.rpartition("/")[2]
    now = look(name, folder)
    kind, target = FileKind.SPECIAL, ""
    if stat.S_ISREG(now.st_mode):
        kind = FileKind.FILE
    elif stat.S_ISDIR(now.st_mode):
        kind = FileKind.FOLDER
    elif stat.S_ISLNK(now.st_mode):
        kind, target = FileKind.LINK, os.readlink(name, dir_fd=folder)
    return SharedFile(path, kind, now.st_size, now.st_mtime, _is_protected(path), target)


def _is_protected(path: str) -> bool:
    """Files of clusters, at the top, and uploads on their way."""
    return path.startswith(HOSTFILE) or path.rpartition("/")[2].startswith(PARTIAL)


def _check_free(path: str) -> None:
    if _is_protected(path.split("/")[0]) or _is_protected(path):
        raise CloudError("Protected", f"{shown(path)} belongs to the platform; it stays as it is.")


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
