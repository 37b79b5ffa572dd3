"""Taking the server's token out of what goes to the browser: Lab writes it into its pages."""

from __future__ import annotations


class Mask:
    """Removes ``secret`` from a stream, also where it is cut in two."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._kept = b""

    def feed(self, chunk: bytes) -> bytes:
        """What may go on now; the end may have to wait for the next chunk."""
        data = (self._kept + chunk).replace(self._secret, b"")
        length = next(
            (n for n in range(min(len(self._secret) - 1, len(data)), 0, -1) if self._ends(data, n)),
            0,
        )
        self._kept = data[len(data) - length :]
        return data[: len(data) - length]

    def end(self) -> bytes:
        return self._kept

    def _ends(self, data: bytes, length: int) -> bool:
        return data.endswith(self._secret[:length])
