"""A database that is busy or restarting is a pause, not a fault."""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 5
SENTENCE = "The database is busy or restarting. Nothing was lost; try again."
FULL_SENTENCE = (
    "The disk of the platform is full, so nothing can be stored now. Ask your operator to make "
    "room; then try again."
)
FULL_SIGNS = ("disk is full", "no space left on device")  # of SQLite and of PostgreSQL


class BusyDatabase:
    """Answers 503 when the database is locked or its connection is gone.

    It stands last in MIDDLEWARE, so it sees what views raise; what the middleware above it raises
    (a session that can not be read) ends in ``handler500``, which asks the same question.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, OperationalError | InterfaceError):
            logger.warning("database unavailable: %s", type(exception).__name__)
            return busy_response(request, exception)
        return None


busy_database = BusyDatabase


def busy_response(request: HttpRequest, error: BaseException | None) -> HttpResponse:
    """Asks nothing of the database itself, so it can not fail the same way."""
    response: HttpResponse
    is_full = any(sign in str(error).lower() for sign in FULL_SIGNS)
    sentence = FULL_SENTENCE if is_full else SENTENCE
    if request.path.startswith("/api/"):
        response = JsonResponse({"message": sentence}, status=HTTPStatus.SERVICE_UNAVAILABLE)
    else:
        theme = request.COOKIES.get("theme")
        page = render_to_string("503.html", {"shell": {"theme": theme}, "sentence": sentence})
        response = HttpResponse(page, status=HTTPStatus.SERVICE_UNAVAILABLE)
    response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response
