"""Downloads that are resumed: one range, and whether the first part still fits (RFC 9110)."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from tests.fake_cloud import FakeCloud
from workspaces.models import Workspace
from workspaces.services.files import workspace_files

DATA = b"0123456789"
LAST_MODIFIED = "Thu, 01 Jan 2026 00:00:00 GMT"


@pytest.fixture
def shared(workspace: Workspace, cloud: FakeCloud) -> Path:
    return Path(workspace_files(workspace).location)


@pytest.fixture
def ask(
    workspace: Workspace,
    shared: Path,
    member: Callable[..., User],
    signed_in: Callable[[User], Client],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Any]:
    """Download ``a`` of ten bytes, which nobody writes any more."""
    monkeypatch.setattr("workspaces.clouds.local.files.SETTLED_SECONDS", 0)
    (shared / "a").write_bytes(DATA)
    os.utime(shared / "a", (1767225600, 1767225600))
    browser = signed_in(member("VIEWER", workspace))
    address = f"/w/{workspace.uuid}/files/download/?path=a"
    return lambda **headers: browser.get(
        address, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


def body(response: Any) -> bytes:
    return b"".join(response.streaming_content)


@pytest.mark.parametrize(
    ("asked", "told", "part"),
    [
        ("bytes=0-3", "bytes 0-3/10", b"0123"),
        ("bytes=4-", "bytes 4-9/10", b"456789"),
        ("bytes=-3", "bytes 7-9/10", b"789"),
        ("bytes=-99", "bytes 0-9/10", DATA),
        ("bytes=9-99", "bytes 9-9/10", b"9"),
        ("bytes= 2 - 2 ", "bytes 2-2/10", b"2"),
    ],
)
def test_a_range_is_given_alone(
    ask: Callable[..., Any], asked: str, told: str, part: bytes
) -> None:
    response = ask(range=asked)

    assert response.status_code == 206
    assert response["Content-Range"] == told
    assert response["Content-Length"] == str(len(part))
    assert body(response) == part


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=999999-"])
def test_a_range_past_the_end_is_refused(ask: Callable[..., Any], asked: str) -> None:
    response = ask(range=asked)

    assert response.status_code == 416
    assert response["Content-Range"] == "bytes */10"


def test_an_empty_file_has_no_range(ask: Callable[..., Any], shared: Path) -> None:
    (shared / "a").write_bytes(b"")

    assert ask(range="bytes=0-").status_code == 416
    assert body(ask()) == b""


@pytest.mark.parametrize(
    "asked",
    [
        "bytes=0-1,4-5",
        "bytes=5-2",
        "bytes=-",
        "bytes=a-b",
        "lines=1-2",
        "0-3",
        f"bytes={'9' * 99}-",
    ],
)
def test_what_is_no_single_range_gets_the_whole_file(ask: Callable[..., Any], asked: str) -> None:
    response = ask(range=asked)

    assert response.status_code == 200
    assert "Content-Range" not in response
    assert body(response) == DATA


def test_a_download_is_resumed_while_the_file_is_the_same(ask: Callable[..., Any]) -> None:
    whole = ask()
    by_tag = ask(range="bytes=5-", if_range=whole["ETag"])
    by_date = ask(range="bytes=5-", if_range=whole["Last-Modified"])

    assert whole["Accept-Ranges"] == "bytes"
    assert whole["Last-Modified"] == LAST_MODIFIED
    assert (by_tag.status_code, body(by_tag)) == (206, b"56789")
    assert (by_date.status_code, body(by_date)) == (206, b"56789")


def test_a_changed_file_is_sent_as_a_whole(ask: Callable[..., Any], shared: Path) -> None:
    tag = ask()["ETag"]
    (shared / "a").write_bytes(b"abcdefghij")

    response = ask(range="bytes=5-", if_range=tag)

    assert (response.status_code, body(response)) == (200, b"abcdefghij")
    assert response["ETag"] != tag


@pytest.mark.parametrize("condition", ['"other"', 'W/"weak"', "Wed, 31 Dec 2025 23:59:59 GMT"])
def test_another_version_gets_the_whole_file(ask: Callable[..., Any], condition: str) -> None:
    assert ask(range="bytes=5-", if_range=condition).status_code == 200


def test_a_file_that_is_being_written_is_not_resumed(
    ask: Callable[..., Any], shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workspaces.clouds.local.files.SETTLED_SECONDS", 60)

    first = ask()
    second = ask(range="bytes=5-", if_range=first["Last-Modified"])

    assert "ETag" not in first
    assert (second.status_code, body(second)) == (200, DATA)
