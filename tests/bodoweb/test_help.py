"""The page that says what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User


@pytest.mark.parametrize(
    "words",
    [
        "%update_hostfile",  # F182
        "restart the kernel",
        "invalid response: 413",  # F183
        "larger than 16 MB",  # F184
        "Edit &gt; Clear All Outputs",  # F185
        "%pconda install -c conda-forge &lt;PACKAGE_NAME&gt;",  # F135
        "%ppip uninstall &lt;PACKAGE_NAME&gt; -y",  # F138
        "%psh echo &quot;Hello World&quot;",  # F139
    ],
)
def test_help_names_what_the_documents_name(
    user: Callable[..., User], signed_in: Callable[[User], Client], words: str
) -> None:
    page = signed_in(user()).get(reverse("help"))

    assert words in page.content.decode().replace('"Hello World"', "&quot;Hello World&quot;")


def test_help_names_the_limit_of_this_installation(
    user: Callable[..., User], signed_in: Callable[[User], Client], settings: Any
) -> None:
    settings.UPLOAD_MIB = 40

    page = signed_in(user()).get(reverse("help"))

    assert "larger than 40 MB" in page.content.decode()
