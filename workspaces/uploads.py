"""Uploads go from the socket to the shared tree in small pieces, through no other file.

Reading the CSRF token of a form reads its files too, so the handler here must be in place before,
and nothing that it wrote may count until the token was checked and the form was read to its end:
files are drafts until the view commits them.
"""

from __future__ import annotations

import contextlib

from django.core.files.uploadhandler import FileUploadHandler, StopUpload
from django.http import HttpRequest, UnreadablePostError

from workspaces.clouds.base import CloudError
from workspaces.clouds.shared_files import FileDraft, SharedFiles

FRAME_BYTES = 64 * 1024  # what a form is around its files
DRAIN_FACTOR = 4
CHUNK_BYTES = 64 * 1024
FILE_COUNT = 20  # each open draft takes two file descriptors


class SharedFolderHandler(FileUploadHandler):
    """``drafts`` are the files of the form, ``error`` why reading them was given up."""

    def __init__(
        self, request: HttpRequest, files: SharedFiles, folder: str, *, max_bytes: int
    ) -> None:
        super().__init__(request)
        self._files, self._folder, self._max_bytes = files, folder, max_bytes
        self.drafts: list[FileDraft] = []
        self.error: CloudError | None = None

    def check_length(self, request: HttpRequest) -> None:
        """Before anything is kept. Raises CloudError.

        A server that answers and closes before it has read everything resets the connection, and
        a browser then shows that instead of the answer; so what is not absurd is read and dropped.
        """
        text: str = request.META.get("CONTENT_LENGTH") or ""
        length = int(text) if text.isdecimal() else 0
        if length <= self._max_bytes + FRAME_BYTES:
            return
        if length <= DRAIN_FACTOR * self._max_bytes:
            with contextlib.suppress(UnreadablePostError):
                while request.read(CHUNK_BYTES):
                    pass
        raise too_large(self._max_bytes)

    def new_file(self, *args: object, **kwargs: object) -> None:
        super().new_file(*args, **kwargs)  # type: ignore[arg-type]  # handed on as they come
        try:
            if len(self.drafts) == FILE_COUNT:
                raise CloudError("TooMany", f"Choose {FILE_COUNT} files at most at once.")
            left = self._max_bytes - sum(draft.size for draft in self.drafts)
            name = self.file_name or ""
            self.drafts.append(self._files.draft(self._folder, name, max_bytes=left))
        except CloudError as error:
            self._give_up(error)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        try:
            self.drafts[-1].write(raw_data)
        except CloudError as error:
            self._give_up(error)

    def file_complete(self, file_size: int) -> None:
        """Nothing for ``request.FILES``: ``drafts`` has it."""

    def discard(self) -> None:
        for draft in self.drafts:
            draft.discard()

    def _give_up(self, error: CloudError) -> None:
        is_size = error.code == "TooLarge"
        self.error = too_large(self._max_bytes) if is_size else error
        raise StopUpload(connection_reset=False)  # what is left is read, so the answer arrives


def too_large(max_bytes: int) -> CloudError:
    return CloudError(
        "TooLarge", f"Uploads can have {max_bytes / 2**20:g} MiB at most; nothing was stored."
    )
