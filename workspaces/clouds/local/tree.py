"""Walking a tree that users' code changes at any moment, without ever leaving it.

Every folder is opened by one name, relative to the folder before it, and never through a link:
whatever is swapped in between, the file descriptor stays what it was. Paths as strings are used
for nothing but error messages.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from workspaces.clouds.base import CloudError
from workspaces.clouds.shared_files import visible

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
NAME_BYTES = 255
DEPTH = 64  # each level that is counted, or made here, holds a file descriptor
_AT_ONCE = 1  # RENAME_NOREPLACE
_LIBC = ctypes.CDLL(None, use_errno=True)

_REFUSALS = {
    errno.ENOENT: ("NotFound", "{} is not there any more."),
    errno.ENOTDIR: ("NotAFolder", "{} is not a folder."),
    errno.ELOOP: ("NotAFolder", "{} is a link; links are not followed here."),
    errno.EISDIR: ("Exists", "{} is a folder."),
    errno.EEXIST: ("Exists", "{} exists already."),
    errno.ENOTEMPTY: ("Exists", "{} changed at the same time; try again."),
    errno.EACCES: ("Denied", "{} has permissions that do not allow this."),
    errno.EPERM: ("Denied", "{} has permissions that do not allow this."),
    errno.ENAMETOOLONG: ("BadName", "{} is too long for a name."),
    errno.ENOSPC: ("NoSpace", "The disk is full; {} was not stored."),
    errno.EDQUOT: ("NoSpace", "The disk is full; {} was not stored."),
}


@contextlib.contextmanager
def told(path: str) -> Iterator[None]:
    """What the operating system refuses, as a sentence about ``path``."""
    try:
        yield
    except OSError as error:
        code, sentence = _REFUSALS.get(error.errno or 0, ("Storage", "{} could not be used now."))
        raise CloudError(code, sentence.format(shown(path))) from error


def shown(path: str) -> str:
    return visible(path.rpartition("/")[2]) if path else "The shared folder"


def names_of(path: str) -> list[str]:
    """The names along ``path``. Raises CloudError for whatever could not be a name on disk."""
    names = path.split("/") if path else []
    for name in names:
        if name in {"", ".", ".."} or "\0" in name or _byte_count(name) > NAME_BYTES:
            raise CloudError("NotFound", f"Nothing is called {visible(path)[:200]} here.")
    return names


def check_new_name(name: str) -> None:
    """Stricter than what is already there: names that people can read and type."""
    if not name.strip():
        problem = "Give it a name."
    elif name in {".", ".."}:
        problem = "A name can not be . or .., which stand for folders."
    elif "/" in name:
        problem = "A name can not contain a slash."
    elif any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in name):
        problem = "A name can not contain control characters, such as line ends or tabs."
    elif any(0xD800 <= ord(character) <= 0xDFFF for character in name):
        problem = "A name must be valid UTF-8 text."
    elif len(name.encode()) > NAME_BYTES:
        problem = f"A name can have {NAME_BYTES} bytes at most; this one has {len(name.encode())}."
    else:
        return
    raise CloudError("BadName", problem)


def _byte_count(name: str) -> int:
    """Too many for half a character that no file system gave us."""
    try:
        return len(name.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:
        return NAME_BYTES + 1


@contextlib.contextmanager
def opened(base: Path, names: list[str]) -> Iterator[int]:
    """The folder reached from ``base`` by ``names``, as a file descriptor."""
    folder = os.open(base, FOLDER)
    try:
        for name in names:
            inner = os.open(name, FOLDER, dir_fd=folder)
            os.close(folder)
            folder = inner
        yield folder
    finally:
        os.close(folder)


def look(name: str, folder: int) -> os.stat_result:
    return os.stat(name, dir_fd=folder, follow_symlinks=False)


def rename_at_once(old: str, source: int, new: str, target: int) -> None:
    """Move from folder ``source`` to ``target``, and raise FileExistsError instead of replacing
    anything."""
    arguments = (source, os.fsencode(old), target, os.fsencode(new), _AT_ONCE)
    if _LIBC.renameat2(*arguments) == 0:
        return
    number = ctypes.get_errno()
    if number not in {errno.ENOSYS, errno.EINVAL}:
        raise OSError(number, os.strerror(number), old)
    with contextlib.suppress(FileNotFoundError):  # a file system that can not do both at once
        look(new, target)
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), new)
    os.rename(old, new, src_dir_fd=source, dst_dir_fd=target)


def delete(name: str, folder: int) -> None:
    """Whatever ``name`` is, a folder with all that is in it.

    Folders further down are moved up before they are emptied, so a tree of any depth takes two
    open folders and no recursion.
    """
    if not stat.S_ISDIR(look(name, folder).st_mode):
        os.unlink(name, dir_fd=folder)
        return
    top = os.open(name, FOLDER, dir_fd=folder)
    try:
        while inner := _unlink_files(top):
            for child in inner:
                _move_folders_up(child, top)
                os.rmdir(child, dir_fd=top)
    finally:
        os.close(top)
    os.rmdir(name, dir_fd=folder)


def _unlink_files(folder: int) -> list[str]:
    """Every name in ``folder`` that is none of a folder is gone; answers the folders."""
    with os.scandir(folder) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_folder in found:
        if not is_folder:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
    return [name for name, is_folder in found if is_folder]


def _move_folders_up(child: str, top: int) -> None:
    inner = os.open(child, FOLDER, dir_fd=top)
    try:
        for name in _unlink_files(inner):
            os.rename(name, uuid4().hex, src_dir_fd=inner, dst_dir_fd=top)
    finally:
        os.close(inner)


def bytes_in(folder: int, deadline: float | None, depth: int = 0) -> tuple[int, bool]:
    """(bytes of the files below ``folder``, whether all were counted)."""
    if depth > DEPTH or (deadline is not None and time.monotonic() > deadline):
        return 0, False
    total, is_complete = 0, True
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                if entry.is_dir(follow_symlinks=False):
                    inner_total, is_whole = _bytes_in(entry.name, folder, deadline, depth)
                    total, is_complete = total + inner_total, is_complete and is_whole
                elif entry.is_file(follow_symlinks=False):
                    total += entry.stat(follow_symlinks=False).st_size
            except OSError:
                is_complete = False
    return total, is_complete


def _bytes_in(name: str, folder: int, deadline: float | None, depth: int) -> tuple[int, bool]:
    inner = os.open(name, FOLDER, dir_fd=folder)
    try:
        return bytes_in(inner, deadline, depth + 1)
    finally:
        os.close(inner)
