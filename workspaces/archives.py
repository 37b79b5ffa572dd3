"""A folder of the shared tree as a zip file that is made while it is sent.

Nothing of it lies on disk and one chunk of one file is in memory at a time. What goes in is listed
before the first byte, so a folder over a limit is refused with a sentence and not half way.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Generator, Iterator
from datetime import UTC, datetime

from workspaces.clouds.base import CloudError
from workspaces.clouds.shared_files import FileKind, SharedFile, SharedFiles, visible

ENTRY_COUNT = 10_000  # each is a line in the table at the end of a zip file, kept until then
PATH_BYTES = 4096
LEFT_OUT = "_left_out.txt"
_PLAIN, _FOLDER = 0o100644 << 16, (0o040755 << 16) | 0x10
_EARLIEST, _LATEST = datetime(1980, 1, 1, tzinfo=UTC), datetime(2107, 12, 31, tzinfo=UTC)


class FolderArchive:
    """Iterate over it once; ``close`` it in any case. Links, special files and the platform's own
    are left out, and what vanished or can not be read meanwhile; a text file in it names them."""

    def __init__(self, files: SharedFiles, path: str, *, max_bytes: int) -> None:
        """Raises CloudError, "TooLarge" when the folder has too many files or too many bytes."""
        self.name = f"{visible(path.rpartition('/')[2]) or 'shared'}.zip"
        self._files, self._path, self._max_bytes = files, path, max_bytes
        self._left_out: list[str] = []
        self._taken: set[str] = set()
        self._entries = self._listed()
        self._room = max_bytes
        self._chunks = self._zipped()

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks

    def close(self) -> None:
        self._chunks.close()

    def _listed(self) -> list[SharedFile]:
        found = list(self._inside(self._path, ENTRY_COUNT))
        seen, size = len(found), 0
        entries: list[SharedFile] = []
        while found:
            file = found.pop()
            if not self._may_come(file):
                continue
            entries.append(file)
            size += file.size if file.kind == FileKind.FILE else 0
            if size > self._max_bytes:
                raise self._too_large()
            if file.kind == FileKind.FOLDER:
                inner = self._inside_or_nothing(file, ENTRY_COUNT - seen)
                seen += len(inner)
                found += inner
        return entries

    def _inside(self, path: str, room: int) -> tuple[SharedFile, ...]:
        page = self._files.list(path, hidden=True, start=0, count=room + 1)
        if page.total > room:
            raise self._too_large()
        return page.files

    def _inside_or_nothing(self, folder: SharedFile, room: int) -> tuple[SharedFile, ...]:
        try:
            return self._inside(folder.path, room)
        except CloudError as error:
            if error.code == "TooLarge":
                raise
            self._leave_out(folder, error.message)
            return ()

    def _may_come(self, file: SharedFile) -> bool:
        if file.is_protected:
            return False
        if file.kind not in {FileKind.FILE, FileKind.FOLDER}:
            self._leave_out(file, "no file" if file.kind == FileKind.SPECIAL else "a link")
        elif len(self._inner(file).encode()) > PATH_BYTES:
            self._leave_out(file, "its path is too long")
        else:
            return True
        return False

    def _leave_out(self, file: SharedFile, reason: str) -> None:
        self._left_out.append(f"{self._inner(file)[:PATH_BYTES]}: {reason}")

    def _inner(self, file: SharedFile) -> str:
        """Its readable path in the archive: no name in it leads anywhere when it is unpacked."""
        below = file.path[len(self._path) :].strip("/")
        return "/".join(visible(name).replace("\\", "[U+005C]") for name in below.split("/"))

    def _zipped(self) -> Generator[bytes]:
        sink = _Sink()
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for file in self._entries:
                yield from self._packed(archive, sink, file)
            if self._left_out:
                text = "\n".join(["Not in this archive:", *self._left_out, ""])
                archive.writestr(self._free(LEFT_OUT), text)
        yield sink.taken()

    def _packed(self, archive: zipfile.ZipFile, sink: _Sink, file: SharedFile) -> Iterator[bytes]:
        if file.kind == FileKind.FOLDER:
            archive.writestr(self._entry(file, is_folder=True), b"")
            return
        try:
            reader = self._files.open(file.path)
        except CloudError as error:
            self._leave_out(file, error.message)
            return
        try:
            self._room -= reader.file.size
            if self._room < 0:  # files grew since they were listed
                self._leave_out(file, "the archive would have become too large")
                return
            with archive.open(self._entry(reader.file), "w") as target:
                for chunk in reader:
                    target.write(chunk)
                    if made := sink.taken():
                        yield made
        finally:
            reader.close()

    def _entry(self, file: SharedFile, *, is_folder: bool = False) -> zipfile.ZipInfo:
        name = self._free(self._inner(file)) + "/" * is_folder
        entry = zipfile.ZipInfo(name, _date(file.modified_at))
        entry.external_attr = _FOLDER if is_folder else _PLAIN
        entry.compress_type = zipfile.ZIP_STORED if is_folder else zipfile.ZIP_DEFLATED
        entry.file_size = file.size  # the form for large files is taken where it is needed alone
        return entry

    def _free(self, name: str) -> str:
        """``name``, or one like it: what differs on disk may look the same."""
        number, found = 1, name
        while found in self._taken:
            number += 1
            found = f"{name} ({number})"
        self._taken.add(found)
        return found

    def _too_large(self) -> CloudError:
        name = visible(self._path.rpartition("/")[2]) or "The shared folder"
        return CloudError(
            "TooLarge",
            f"{name} holds more than {ENTRY_COUNT:,} files or {self._max_bytes / 2**20:g} MiB, "
            "which is too much for one archive. Download its folders one by one.",
        )


class _Sink(io.RawIOBase):
    """Where zipfile writes to: can not seek, so it writes nothing that it would come back to."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]  # bytes are all that zipfile writes
        self._chunks.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        chunks, self._chunks = self._chunks, []
        return b"".join(chunks)


def _date(seconds: float) -> tuple[int, int, int, int, int, int]:
    """Zip files know the years 1980 to 2107."""
    at = datetime.fromtimestamp(min(max(seconds, _EARLIEST.timestamp()), _LATEST.timestamp()), UTC)
    return at.year, at.month, at.day, at.hour, at.minute, at.second
