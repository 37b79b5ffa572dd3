"""The mails that a test caused, and a form that only lacks what the test is about."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from django.core import mail

from tests.conftest import PASSWORD


@pytest.fixture
def sign_up_data() -> Callable[..., dict[str, str]]:
    def make(**changes: str) -> dict[str, str]:
        data = {
            "organization_name": "Analytical Engines",
            "email": "ada@example.org",
            "password1": PASSWORD,
            "password2": PASSWORD,
            "first_name": "Ada",
            "last_name": "Lovelace",
            "terms": "on",
        }
        return {name: value for name, value in {**data, **changes}.items() if value}

    return make


@pytest.fixture
def mailed_path() -> Callable[[], str]:
    """The path of the first link in the newest mail."""

    def find() -> str:
        link = re.search(r"https?://\S+", str(mail.outbox[-1].body))
        assert link
        return urlsplit(link[0]).path

    return find
