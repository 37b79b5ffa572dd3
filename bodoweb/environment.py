"""Reading the configuration from the environment: a bad value stops the start with a sentence."""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

FIELD_KEY_BYTES = 32


class Env(environ.Env):
    """``environ.Env`` whose complaints name the variable and what was expected."""

    def integer(self, name: str, default: int, *, minimum: int = 0) -> int:
        raw = os.environ.get(name, "").strip()
        if not raw:
            return default
        if not raw.isdigit() or int(raw) < minimum:
            raise ImproperlyConfigured(
                f"{name} must be a whole number of at least {minimum}, not {raw!r}."
            )
        return int(raw)

    def flag(self, name: str, *, default: bool) -> bool:
        raw = os.environ.get(name, "").strip().lower()
        if not raw:
            return default
        if raw not in {"1", "0", "true", "false", "yes", "no", "on", "off"}:
            raise ImproperlyConfigured(f"{name} must be true or false, not {raw!r}.")
        return raw in {"1", "true", "yes", "on"}

    def choice(self, name: str, options: tuple[str, ...], default: str) -> str:
        raw = os.environ.get(name, "").strip() or default
        if raw not in options:
            raise ImproperlyConfigured(f"{name} must be one of {', '.join(options)}, not {raw!r}.")
        return raw


def secret(name: str, *, fallback_file: Path | None) -> str:
    """The value of ``name``, or of the file ``name``_FILE, or of the data folder's own file.

    ``fallback_file`` is given in development only; it is made once, readable by its owner alone.
    Raises ImproperlyConfigured when none is there.
    """
    if value := os.environ.get(name, "").strip():
        return value
    if path := os.environ.get(f"{name}_FILE", "").strip():
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ImproperlyConfigured(f"{name}_FILE can not be read: {error}.") from error
    if fallback_file is None:
        raise ImproperlyConfigured(
            f"{name} must be set in production, or {name}_FILE name a file that holds it."
        )
    return _made_once(fallback_file)


def _made_once(path: Path) -> str:
    """The secret in ``path``; of two processes that start at once, one makes it."""
    if path.exists():
        return path.read_text(encoding="utf-8").strip()
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(base64.urlsafe_b64encode(secrets.token_bytes(FIELD_KEY_BYTES)).decode())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text(encoding="utf-8").strip()


def field_keys(text: str) -> list[bytes]:
    """The key ring of encrypted fields: comma separated base64 keys of 32 bytes, newest first."""
    keys = []
    for part in text.split(","):
        try:
            key = base64.urlsafe_b64decode(part.strip())
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != FIELD_KEY_BYTES:
            raise ImproperlyConfigured(
                "BODO_FIELD_KEYS must be 32 bytes in URL-safe base64, several with commas between."
            )
        keys.append(key)
    return keys
