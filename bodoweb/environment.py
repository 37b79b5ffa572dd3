"""Reading the configuration from the environment: a bad value stops the start with a sentence."""

from __future__ import annotations

import base64
import binascii
import os
import re
import secrets
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

FIELD_KEY_BYTES = 32
DNS_LABEL = 63  # characters
_ANY_UUID = "00000000-0000-4000-8000-000000000000"
AWS_REGIONS = "us-east-1,us-east-2,us-west-1,us-west-2"
_IMAGE = "[a-z0-9-]+=ami-[0-9a-f]+"
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


def aws_regions(text: str) -> list[str]:
    """The regions of AWS that this installation uses, commas between (F063, F073)."""
    regions = [part.strip() for part in (text.strip() or AWS_REGIONS).split(",")]
    if not all(re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d", region) for region in regions):
        raise ImproperlyConfigured(
            f"BODO_AWS_REGIONS must be regions such as {AWS_REGIONS}, not {text!r}."
        )
    return regions


def aws_account_id(text: str) -> str:
    """Twelve digits, or empty: then the platform asks AWS which account its credentials are of."""
    if text.strip() and not re.fullmatch(r"[0-9]{12}", text.strip()):
        raise ImproperlyConfigured(
            f"BODO_PLATFORM_AWS_ACCOUNT_ID must be the 12 digits of an AWS account, not {text!r}."
        )
    return text.strip()


def aws_images(text: str) -> dict[str, dict[str, str]]:
    """Bodo version to region to image, as "2026.10:us-east-1=ami-1,us-east-2=ami-2;2026.9:…"."""
    images: dict[str, dict[str, str]] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        found = re.fullmatch(rf"([0-9][0-9.]*):({_IMAGE}(?:,{_IMAGE})*)", part)
        if not found:
            raise ImproperlyConfigured(
                "BODO_AWS_IMAGES must look like 2026.10:us-east-1=ami-0a1b,us-east-2=ami-2c3d, with"
                f" semicolons between versions, not {part!r}."
            )
        pairs = (pair.split("=") for pair in found[2].split(","))
        images[found[1]] = dict(pairs)
    return images


def notebook_origin(text: str, *, public: SplitResult) -> str:
    """The origin of notebooks, with ``{uuid}`` in its first label; never near the platform's.

    A page on a notebook's host runs its owner's code. It gets no cookie of the platform, whose
    cookies belong to its host alone. It could set one for a parent domain of both hosts: with TLS
    browsers refuse that for the platform's cookies by their ``__Host-`` prefix; without TLS the
    two may have no such parent (browsers take a name without a dot, localhost, for none).
    """
    origin = urlsplit(text.rstrip("/").replace("{uuid}", _ANY_UUID))
    host, label = origin.hostname or "", (origin.hostname or "").partition(".")[0]
    if (
        text.count("{uuid}") != 1
        or _ANY_UUID not in label
        or origin.scheme not in {"http", "https"}
        or f"{origin.scheme}://{origin.netloc}" != text.rstrip("/").replace("{uuid}", _ANY_UUID)
        or "@" in origin.netloc
        or len(label) > DNS_LABEL
    ):
        raise ImproperlyConfigured(
            "BODO_NOTEBOOK_ORIGIN must be an address such as https://nb-{uuid}.notebooks.example,"
            f" with {{uuid}} in the first part of the host, not {text!r}."
        )
    if public.scheme == "https" and origin.scheme != "https":
        raise ImproperlyConfigured(
            "BODO_NOTEBOOK_ORIGIN must begin with https:// because BODO_PUBLIC_URL does."
        )
    _keep_apart(host, public)
    default_port = {"http": ":80", "https": ":443"}[origin.scheme]
    return text.rstrip("/").lower().removesuffix(default_port)


def notebook_hosts(origin: str) -> str:
    """All of them, as a Content-Security-Policy writes it: ``https://*.notebooks.example``."""
    scheme, _, netloc = origin.partition("://")
    return f"{scheme}://*.{netloc.partition('.')[2]}"


def _keep_apart(notebook: str, public: SplitResult) -> None:
    """Raise when pages on the ``notebook`` host could reach the cookies of the platform's."""
    platform = public.hostname or ""
    like = re.escape(notebook).replace(re.escape(_ANY_UUID), r"[0-9a-f-]{36}")
    if re.search(rf"(^|\.){like}$", platform):
        raise ImproperlyConfigured(
            f"BODO_NOTEBOOK_ORIGIN must not match the platform's own host {platform}: a notebook's"
            " page would get its cookies."
        )
    shared = _shared_domain(notebook, platform)
    if public.scheme != "https" and "." in shared:
        raise ImproperlyConfigured(
            f"BODO_NOTEBOOK_ORIGIN must not lie under {shared} like BODO_PUBLIC_URL while that"
            " begins with http://: a notebook's page could set the platform's cookies. Use https"
            " for both, or another domain for notebooks."
        )


def _shared_domain(one: str, other: str) -> str:
    """The longest name that both end with: "example.org" of a.example.org and b.example.org."""
    shared: list[str] = []
    pairs = zip(reversed(one.split(".")), reversed(other.split(".")), strict=False)
    for left, right in pairs:
        if left != right:
            break
        shared.insert(0, left)
    return ".".join(shared)
