"""Hosts and notebooks: exactly the configured shape, nothing that merely looks like it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.urls import reverse

from workspaces.notebooks.addresses import cookie_name, notebook_of, origin_of, platform_page

UUID_ = UUID("7d6ef1a0-0000-4000-8000-000000000001")


@pytest.fixture(autouse=True)
def _origin(settings: Any) -> None:
    settings.NOTEBOOK_ORIGIN = "http://nb-{uuid}.localhost:8001"


def test_host_and_origin_belong_together() -> None:
    origin = origin_of(UUID_)

    assert origin == f"http://nb-{UUID_}.localhost:8001"
    assert notebook_of(origin.removeprefix("http://")) == UUID_
    assert notebook_of(f"NB-{str(UUID_).upper()}.LOCALHOST:8001") == UUID_


@pytest.mark.parametrize(
    "host",
    [
        "",
        "localhost:8001",
        f"{UUID_}.localhost:8001",
        f"nb-{UUID_}.localhost",
        f"nb-{UUID_}.localhost:80010",
        f"nb-{UUID_}.localhost:8001.evil.example",
        f"evil.nb-{UUID_}.localhost:8001",
        f"nb-{UUID_}x.localhost:8001",
        f"nb-{str(UUID_).replace('-', '')}.localhost:8001",
        f"nb-{UUID_}.localhost:8001\n",
        f"nb-{UUID_}xlocalhost:8001",
        f"nb-{{{UUID_}}}.localhost:8001",
    ],
)
def test_other_hosts_are_no_notebook(host: str) -> None:
    assert notebook_of(host) is None


def test_the_way_back_leads_to_pages_that_exist(settings: Any) -> None:
    """They are written out there, because the event loop does not wait for the platform's URLs."""
    settings.PUBLIC_URL = "https://bodoweb.example"

    assert (
        platform_page(UUID_) == f"https://bodoweb.example{reverse('notebooks:list', args=[UUID_])}"
    )
    assert platform_page(None) == f"https://bodoweb.example{reverse('home')}"


def test_the_cookie_is_bound_to_its_host_where_tls_allows(settings: Any) -> None:
    assert cookie_name() == "bodoweb-notebook"

    settings.NOTEBOOK_ORIGIN = "https://nb-{uuid}.notebooks.example"

    assert cookie_name() == "__Host-bodoweb-notebook"
    assert notebook_of(f"nb-{UUID_}.notebooks.example") == UUID_
