"""Files that come in from a page: without a name until they are whole."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

from workspaces.clouds.base import CloudError
from workspaces.clouds.local.tree import look, shown, told
from workspaces.clouds.shared_files import Usage

PARTIAL = ".upload-"
PARTIAL_SECONDS = 24 * 3600
_NO_NAMELESS_FILES = (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL)


class LocalDraft:
    """Has no name (O_TMPFILE), so the kernel forgets it with the process that writes it. Where a
    file system can not do that it is a dot file that later uploads sweep away."""

    def __init__(
        self,
        path: str,
        folder: int,
        *,
        max_bytes: int,
        usage: Callable[[], Usage] | None,
        stored: Callable[[int], None],
        lock: Path,
    ) -> None:
        """Takes a copy of ``folder``, so it may be closed. ``usage`` is asked where a quota is;
        ``stored`` is told how many bytes more there are after a commit."""
        self.path = path
        self.size = 0
        self._name = path.rpartition("/")[2]
        self._max_bytes = max_bytes
        self._usage, self._stored, self._lock = usage, stored, lock
        self._partial = ""
        self._file = -1
        self._folder = os.dup(folder)
        try:
            sweep(folder)
            self._quota = self._quota_now()
            self._file = self._nameless()
        except BaseException:
            self.discard()
            raise

    def write(self, data: bytes) -> None:
        self.size += len(data)
        if self.size > self._max_bytes:
            raise CloudError(
                "TooLarge",
                f"{shown(self.path)} is larger than the limit of "
                f"{self._max_bytes / 2**20:g} MiB; nothing was stored.",
            )
        self._check_room(self._quota)
        with told(self.path):
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._file, rest) :]

    def commit(self, *, replace: bool) -> None:
        try:
            with told(self.path), self._one_at_a_time():
                self._check_room(self._quota_now())
                os.fsync(self._file)
                old_size = self._old_size()
                if self._may_replace(allowed=replace):
                    self._replace()
                else:
                    self._link(self._name)
                self._stored(self.size - old_size)
        finally:
            self.discard()

    def discard(self) -> None:
        if self._partial:
            with contextlib.suppress(OSError):
                os.unlink(self._partial, dir_fd=self._folder)
        for descriptor in (self._file, self._folder):
            if descriptor >= 0:
                os.close(descriptor)
        self._partial, self._file, self._folder = "", -1, -1

    def _nameless(self) -> int:
        try:
            nameless = os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC
            return os.open(".", nameless, 0o644, dir_fd=self._folder)
        except OSError as error:
            if error.errno not in _NO_NAMELESS_FILES:
                raise
        self._partial = f"{PARTIAL}{uuid4().hex}"
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(self._partial, flags, 0o644, dir_fd=self._folder)

    def _quota_now(self) -> tuple[int, Usage] | None:
        """(bytes this file may have, why); one that is replaced gives back its own."""
        if self._usage is None:
            return None
        usage = self._usage()
        return usage.quota_bytes - usage.used_bytes + self._old_size(), usage

    def _check_room(self, quota: tuple[int, Usage] | None) -> None:
        if quota is None or self.size <= quota[0]:
            return
        usage = quota[1]
        minutes = int(time.time() - usage.counted_at) // 60
        counted = f", counted {minutes} min ago" if minutes else ""
        raise CloudError(
            "Quota",
            f"{shown(self.path)} does not fit: {usage.used_bytes / 2**20:.4g} MiB of the quota of "
            f"{usage.quota_bytes / 2**20:.4g} MiB are used{counted}, and what jobs and notebooks "
            "write counts too. Delete some files first; nothing was stored.",
        )

    def _old_size(self) -> int:
        old = self._old()
        return old.st_size if old and stat.S_ISREG(old.st_mode) else 0

    def _old(self) -> os.stat_result | None:
        try:
            return look(self._name, self._folder)
        except FileNotFoundError:
            return None

    def _may_replace(self, *, allowed: bool) -> bool:
        """Whether there is something to replace. Raises when that is not asked for, or no file."""
        old = self._old()
        if old is None:
            return False
        if not stat.S_ISREG(old.st_mode):
            raise CloudError(
                "Exists", f"{shown(self.path)} exists already and is no file; it stays as it is."
            )
        if not allowed:
            raise CloudError("Exists", f"{shown(self.path)} exists already.")
        os.fchmod(self._file, stat.S_IMODE(old.st_mode) & 0o777)  # a script stays executable
        return True

    def _replace(self) -> None:
        if not self._partial:
            partial = f"{PARTIAL}{uuid4().hex}"
            self._link(partial)
            self._partial = partial
        os.replace(self._partial, self._name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        self._partial = ""

    def _link(self, name: str) -> None:
        """Give the draft a name; raises FileExistsError where one is."""
        if self._partial:
            os.link(
                self._partial,
                name,
                src_dir_fd=self._folder,
                dst_dir_fd=self._folder,
                follow_symlinks=False,
            )
        else:
            source = f"/proc/self/fd/{self._file}"
            os.link(source, name, dst_dir_fd=self._folder, follow_symlinks=True)

    @contextlib.contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        """Two uploads that fit a quota one by one must not both be stored."""
        if self._quota is None:
            yield
            return
        lock = os.open(self._lock, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def sweep(folder: int) -> None:
    """Remove what uploads left behind that were killed in the instant of taking their name."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.name.startswith(PARTIAL)]
    for name in names:
        with contextlib.suppress(OSError):
            old = look(name, folder)
            if stat.S_ISREG(old.st_mode) and old.st_mtime < time.time() - PARTIAL_SECONDS:
                os.unlink(name, dir_fd=folder)
