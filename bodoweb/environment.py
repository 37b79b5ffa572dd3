"""Reading the configuration from the environment: a bad value stops the start with a sentence."""

from __future__ import annotations

import base64
import binascii
import os
import secrets
import warnings
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

FIELD_KEY_BYTES = 32
DATABASE_ENGINES = ("django.db.backends.postgresql", "django.db.backends.sqlite3")


class Env(environ.Env):
    """``environ.Env`` whose complaints name the variable and what was expected."""

    def integer(
        self, name: str, default: int, *, minimum: int = 0, maximum: int | None = None
    ) -> int:
        raw = os.environ.get(name, "").strip() or str(default)
        number = int(raw) if raw.isascii() and raw.isdigit() else -1
        if number >= minimum and (maximum is None or number <= maximum):
            return number
        allowed = f"of at least {minimum}" if maximum is None else f"from {minimum} to {maximum}"
        raise ImproperlyConfigured(f"{name} must be a whole number {allowed}, not {raw!r}.")

    def port(self, name: str, default: int) -> int:
        return self.integer(name, default, minimum=1, maximum=65535)

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


def folder(name: str, default: Path) -> Path:
    """The folder that ``name`` names, made for its owner alone if it is missing."""
    path = Path(os.environ.get(name) or default).resolve()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(f"{name}: {path} can not be used: {error.strerror}.") from error
    return path


def database(url: str) -> dict[str, Any]:
    """Django's settings for ``url``, a PostgreSQL or SQLite database."""
    try:
        with warnings.catch_warnings(action="ignore"):
            found: dict[str, Any] = Env.db_url_config(url)
    except (KeyError, ValueError):
        found = {}
    if found.get("ENGINE") not in DATABASE_ENGINES or not found.get("NAME"):
        raise ImproperlyConfigured(
            "DATABASE_URL must look like postgres://user:password@host:5432/name or sqlite:///path."
        )
    return found


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
