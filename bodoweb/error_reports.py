"""What Django tells of an error nobody foresaw, on its page of debugging or in a mail."""

from __future__ import annotations

from django.http import HttpRequest
from django.views.debug import SafeExceptionReporterFilter


class KeepsSecrets(SafeExceptionReporterFilter):
    """Hides what views and services declare sensitive with BODO_DEBUG on, too."""

    def is_active(self, request: HttpRequest | None) -> bool:
        return True
