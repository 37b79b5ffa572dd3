"""Which headers cross the proxy, in both directions."""

from __future__ import annotations

from collections.abc import Iterable

from workspaces.notebooks.browser import cookies_for_jupyter, may_set
from workspaces.notebooks.calls import PROTECTION, Call, RawHeaders, protection

# RFC 9110, 7.6.1: of one connection only. What "Connection" names comes on top.
HOP_BY_HOP = {
    b"connection",
    b"keep-alive",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
}
# From clients they are claims that nobody checked, or what this proxy says itself.
NOT_FORWARDED = {b"authorization", b"cookie", b"expect", b"forwarded", b"via", b"x-real-ip"}
# uvicorn adds its own date. The policies are ours; Jupyter's content policy is kept beside ours.
OURS = {b"date", b"server", *(name for name, _ in PROTECTION)} - {b"content-security-policy"}
ASSETS = {"script", "style", "font", "image"}


def to_jupyter(call: Call, token: str) -> list[tuple[str, str]]:
    """Pages are asked for uncompressed, because the token is taken out of them."""
    dropped = _named_by_connection(call.headers) | HOP_BY_HOP | NOT_FORWARDED
    if call.value(b"sec-fetch-dest") not in ASSETS:
        dropped.add(b"accept-encoding")
    kept = [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in call.headers
        if name not in dropped and not name.startswith((b"x-forwarded-", b"sec-websocket-"))
    ]
    if cookies := cookies_for_jupyter(call):
        kept.append(("cookie", cookies))
    kept.append(("authorization", f"token {token}"))
    return kept


def to_browser(raw: Iterable[tuple[bytes, bytes]], token: str) -> RawHeaders:
    headers = [(name.lower(), value) for name, value in raw]
    dropped = _named_by_connection(headers) | HOP_BY_HOP | OURS
    secret = token.encode()
    kept = [
        (name, value)
        for name, value in headers
        if name not in dropped
        and secret not in value
        and (name != b"set-cookie" or may_set(value.decode("latin-1")))
    ]
    return kept + protection()


def _named_by_connection(headers: Iterable[tuple[bytes, bytes]]) -> set[bytes]:
    return {
        word.strip().lower()
        for name, value in headers
        if name == b"connection"
        for word in value.split(b",")
    }
