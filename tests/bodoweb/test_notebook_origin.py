"""Where notebooks may live: never where one of their pages could touch the platform's cookies."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from django.core.exceptions import ImproperlyConfigured

from bodoweb.environment import notebook_hosts, notebook_origin


@pytest.mark.parametrize(
    ("origin", "public"),
    [
        ("http://nb-{uuid}.localhost:8001", "http://localhost:8000"),
        ("http://nb-{uuid}.localhost:8001", "http://127.0.0.1:8000"),
        ("https://nb-{uuid}.notebooks.example", "https://bodo.example.org"),
        # With TLS the __Host- prefix keeps cookies apart, also below the platform's own host.
        ("https://nb-{uuid}.example.org", "https://bodo.example.org"),
        ("https://nb-{uuid}.bodo.example.org", "https://bodo.example.org"),
        ("http://nb-{uuid}.notebooks.example", "http://bodo.example.org"),
    ],
)
def test_hosts_whose_cookies_do_not_cross_are_taken(origin: str, public: str) -> None:
    assert notebook_origin(origin, public=urlsplit(public)) == origin


@pytest.mark.parametrize(
    ("origin", "public", "reason"),
    [
        ("https://bodo.example.org", "https://bodo.example.org", "with {uuid} in the first part"),
        ("https://bodo.example.org/{uuid}", "https://bodo.example.org", "with {uuid} in the first"),
        ("https://nb.{uuid}.example.org", "https://bodo.example.org", "with {uuid} in the first"),
        ("https://{uuid}-{uuid}.example.org", "https://bodo.example.org", "with {uuid} in the"),
        ("https://nb-{uuid}.example.org/x", "https://bodo.example.org", "with {uuid} in the first"),
        ("https://me@nb-{uuid}.example.org", "https://bodo.example.org", "with {uuid} in the"),
        ("ftp://nb-{uuid}.example.org", "https://bodo.example.org", "with {uuid} in the first"),
        ("https://" + 30 * "n" + "{uuid}.example.org", "https://a.example.org", "with {uuid} in"),
        ("http://nb-{uuid}.notebooks.example", "https://bodo.example.org", "must begin with https"),
        ("http://nb-{uuid}.example.org", "http://bodo.example.org", "not lie under example.org"),
        ("http://nb-{uuid}.example.org", "http://example.org", "must not lie under example.org"),
        (
            "https://nb-{uuid}.example.org",
            "https://nb-7d6ef1a0-0000-4000-8000-000000000001.example.org",
            "must not match the platform's own host",
        ),
        (
            "https://nb-{uuid}.example.org",
            "https://a.nb-7d6ef1a0-0000-4000-8000-000000000001.example.org",
            "must not match the platform's own host",
        ),
    ],
)
def test_hosts_whose_cookies_would_cross_are_refused(origin: str, public: str, reason: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="BODO_NOTEBOOK_ORIGIN") as told:
        notebook_origin(origin, public=urlsplit(public))

    assert reason in str(told.value)


def test_a_default_port_is_left_out_as_browsers_do() -> None:
    public = urlsplit("https://bodo.example.org")

    assert notebook_origin("https://NB-{uuid}.notebooks.example:443/", public=public) == (
        "https://nb-{uuid}.notebooks.example"
    )


def test_the_form_policy_names_all_hosts_of_notebooks() -> None:
    assert notebook_hosts("http://nb-{uuid}.localhost:8001") == "http://*.localhost:8001"
