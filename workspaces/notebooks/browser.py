"""What browsers say about where a request comes from, and cookies.

Jupyter checks neither Origin nor its XSRF cookie once it is shown a token, which the proxy does:
so they are checked here, before anything else.
"""

from __future__ import annotations

from uuid import UUID

from workspaces.notebooks.addresses import cookie_name, origin_of
from workspaces.notebooks.calls import Call

READING = ("GET", "HEAD", "OPTIONS")
METHODS = (*READING, "POST", "PUT", "PATCH", "DELETE")
# By name, whatever the settings say now: none of them is Jupyter's business.
PLATFORM_COOKIES = ("sessionid", "csrftoken", "__Host-sessionid", "__Host-csrftoken")
OWN_COOKIES = ("bodoweb-notebook", "__Host-bodoweb-notebook")


def objection(call: Call, notebook: UUID) -> str:
    """Why the browser's own words forbid it, or ""."""
    origin = call.value(b"origin")
    if call.is_socket or call.method not in READING:
        if origin != origin_of(notebook):
            return "This came from a page of another site, or did not say from where."
        return ""
    if call.value(b"sec-fetch-site") in {"", "none", "same-origin"}:
        return ""
    is_visit = call.value(b"sec-fetch-mode") == "navigate"
    if call.method == "GET" and is_visit and call.value(b"sec-fetch-dest") == "document":
        return ""  # a link that somebody followed
    return "Pages of other sites may not use what is here."


def entry_cookie(call: Call) -> str:
    """The cookie that opens this host, or ""."""
    wanted = cookie_name()
    return next((value for name, value in _cookies(call) if name == wanted), "")


def cookies_for_jupyter(call: Call) -> str:
    """Those that are neither ours nor the platform's, as one header."""
    taken = {*PLATFORM_COOKIES, *OWN_COOKIES}
    return "; ".join(f"{name}={value}" for name, value in _cookies(call) if name not in taken)


def may_set(cookie: str) -> bool:
    """Whether a Set-Cookie of Jupyter, or of a program behind it, goes to the browser.

    Not its sign-in, which would need no ticket; nothing with our names; nothing for a parent
    domain, where other notebooks and perhaps the platform are.
    """
    pair, _, attributes = cookie.partition(";")
    name = pair.partition("=")[0].strip()
    words = [part.partition("=")[0].strip().lower() for part in attributes.split(";")]
    is_taken = name in {*PLATFORM_COOKIES, *OWN_COOKIES} or name.startswith("username-")
    return not is_taken and "domain" not in words


def _cookies(call: Call) -> list[tuple[str, str]]:
    parts = "; ".join(call.values(b"cookie")).split(";")
    pairs = (part.strip().partition("=") for part in parts)
    return [(name, value) for name, _, value in pairs if name]
