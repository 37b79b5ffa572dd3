"""Secrets at rest: AES-GCM, bound to the row and column that holds them.

A sealed value moved to another row does not open. ``settings.FIELD_KEYS`` is a key ring: the
first key seals, every key opens, so a key is rotated by putting a new one in front.
"""

from __future__ import annotations

import base64
import hashlib
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

NONCE_BYTES = 12


class SecretUnreadable(Exception):  # noqa: N818 - reads as a state
    """No key of the ring opens it, or it belongs to another row."""


def seal(plain: str, *, context: str) -> str:
    """``context`` names table, column and row, such as ``jobs.job.environment:<uuid>``."""
    key = settings.FIELD_KEYS[0]
    nonce = os.urandom(NONCE_BYTES)
    box = AESGCM(key).encrypt(nonce, plain.encode(), context.encode())
    return f"{_key_id(key)}:{base64.urlsafe_b64encode(nonce + box).decode()}"


def unseal(sealed: str, *, context: str) -> str:
    key_id, _, text = sealed.partition(":")
    key = next((key for key in settings.FIELD_KEYS if _key_id(key) == key_id), None)
    if key is None:
        raise SecretUnreadable("The key that sealed it is not in BODO_FIELD_KEYS.")
    raw = base64.urlsafe_b64decode(text)
    try:
        plain = AESGCM(key).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], context.encode())
    except InvalidTag as error:
        raise SecretUnreadable("It belongs to another row, or was changed.") from error
    return plain.decode()


def _key_id(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()[:8]
