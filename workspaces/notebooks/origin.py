"""The ASGI application of all notebooks' hosts.

    NotebookOrigin(routes={"/_bodoweb/clusters": handler})

Every request and every handshake of a WebSocket passes the same questions, in this order: does the
host name a notebook, may the browser send this from where it is, and is the one who shows the
cookie its owner, signed in, with the right, and the server running? ``/_bodoweb/`` is answered
here, all else by Jupyter.
"""

from __future__ import annotations

import json
import logging
import posixpath
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, unquote
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from workspaces.notebooks import access
from workspaces.notebooks.access import ENTER_PATH, Refusal, Visit
from workspaces.notebooks.addresses import cookie_name, is_https, notebook_of
from workspaces.notebooks.browser import METHODS, entry_cookie, objection
from workspaces.notebooks.calls import Call, Message, Receive, Send
from workspaces.notebooks.exchange import Exchange
from workspaces.notebooks.pieces import Pieces
from workspaces.notebooks.sockets import SocketPair
from workspaces.notebooks.threads import Threads, Unavailable
from workspaces.notebooks.uploads import BrowserGone, TooLarge, Upload
from workspaces.notebooks.upstream import Lines
from workspaces.notebooks.watch import DATABASE_AWAY, Watch

logger = logging.getLogger(__name__)

OWN = "_bodoweb"
FIRST_PAGE = "/lab"
ROUTE_BYTES = 64 * 1024
NO_NOTEBOOK = Refusal(HTTPStatus.NOT_FOUND, "There is no notebook at this address.")

# Called in a thread with what the person sent as JSON (of a GET: the query); answers status, JSON.
Handler = Callable[[Visit, str, dict[str, Any]], tuple[int, dict[str, Any]]]


class NotebookOrigin:
    """``routes``: paths below ``/_bodoweb/`` and who answers them, for people who are inside."""

    def __init__(self, routes: Mapping[str, Handler] | None = None) -> None:
        self._routes: Mapping[str, Handler] = {} if routes is None else routes
        self._checks = Threads(2)
        self._handlers = Threads(4, seconds=None)
        self._watch = Watch(self._checks)
        self._lines = Lines()
        self._pieces = Pieces()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await self._answer(Call(scope, receive, send))

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._lines.close()
        self._checks.close()
        self._handlers.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, call: Call) -> None:
        if call.path == "/healthz" and not call.is_socket:
            await call.answer(HTTPStatus.OK, "ok\n")
            return
        notebook = notebook_of(call.value(b"host"))
        if notebook is None:
            await call.refuse(NO_NOTEBOOK)
        elif call.method not in METHODS or not call.path.startswith("/"):
            await call.answer(HTTPStatus.BAD_REQUEST, "This is not how notebooks are asked.\n")
        elif reason := objection(call, notebook):
            await call.refuse(Refusal(HTTPStatus.FORBIDDEN, reason))
        elif call.path == ENTER_PATH and call.method == "GET" and not call.is_socket:
            await self._enter(call, notebook)
        else:
            await self._let_in(call, notebook)

    async def _enter(self, call: Call, notebook: UUID) -> None:
        """A ticket becomes a cookie. One that was used already, as after going back in the
        browser, does no harm to who is inside."""
        ticket = parse_qs(call.query).get("ticket", [""])[0]
        try:
            cookie = await self._checks.run(
                access.ticket_redeem, ticket=ticket, notebook=notebook, now=timezone.now()
            )
        except Unavailable:
            await call.refuse(DATABASE_AWAY)
            return
        answer = await self._watch.visit(cookie or entry_cookie(call), notebook)
        if isinstance(answer, Refusal):
            await call.refuse(answer)
            return
        headers = [(b"referrer-policy", b"no-referrer")]
        if cookie:
            logger.info("notebook %s entered by user %s", notebook, answer.user.uuid)
            headers.append((b"set-cookie", _set_cookie(cookie)))
        await call.redirect(FIRST_PAGE, headers)

    async def _let_in(self, call: Call, notebook: UUID) -> None:
        cookie = entry_cookie(call)
        answer = await self._watch.visit(cookie, notebook)
        if isinstance(answer, Refusal):
            await call.refuse(answer)
        elif _is_own(call.path):
            await self._route(call, answer)
        else:
            with self._watch.inside(cookie) as lost:
                if call.is_socket:
                    await SocketPair(call, answer, self._lines).run(lost)
                else:
                    await Exchange(call, answer, self._lines, self._pieces).run(lost)

    async def _route(self, call: Call, visit: Visit) -> None:
        handler = self._routes.get(call.path)
        if handler is None or call.is_socket:
            await call.answer(HTTPStatus.NOT_FOUND, {"message": "There is nothing here."})
            return
        try:
            body = await _sent(call)
            done: Awaitable[tuple[int, dict[str, Any]]] = self._handlers.run(
                handler, visit, call.method, body
            )
            status, answer = await done
        except BrowserGone:
            return
        except TooLarge:
            await call.answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"message": "That is too long."})
        except ValueError:
            await call.answer(HTTPStatus.BAD_REQUEST, {"message": "A JSON object was expected."})
        except Unavailable:
            await call.answer(DATABASE_AWAY.status, {"message": DATABASE_AWAY.sentence})
        except Exception:
            logger.exception("%s failed for user %s", call.path, visit.user.uuid)
            await call.answer(500, {"message": "Something went wrong here. Try again."})
        else:
            await call.answer(status, answer)


async def _sent(call: Call) -> dict[str, Any]:
    """Raises ValueError for what is not a JSON object, TooLarge and BrowserGone."""
    upload = Upload(call, ROUTE_BYTES)
    if upload.is_declared_too_large:
        raise TooLarge
    text = await upload.whole()
    if not text:
        return {name: values[-1] for name, values in parse_qs(call.query).items()}
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError(type(found).__name__)
    return found


def _is_own(path: str) -> bool:
    """Whether it means something below ``/_bodoweb``, however it is spelled: Jupyter gets none."""
    plain = posixpath.normpath(unquote(unquote(path)).replace("\\", "/"))
    return plain.strip("/").partition("/")[0].lower() == OWN


def _set_cookie(value: str) -> bytes:
    secure = "; Secure" if is_https() else ""
    age = settings.SESSION_COOKIE_AGE
    return (
        f"{cookie_name()}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}".encode()
    )
