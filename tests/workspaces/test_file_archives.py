"""A folder as a zip file: what is in it, what is not, and that it never is in memory."""

from __future__ import annotations

import io
import os
import stat
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from tests.fake_cloud import FakeCloud
from workspaces import archives
from workspaces.archives import FolderArchive
from workspaces.models import Workspace
from workspaces.services.files import workspace_files

MIB = 2**20


@pytest.fixture
def shared(workspace: Workspace, cloud: FakeCloud) -> Path:
    return Path(workspace_files(workspace).location)


@pytest.fixture
def get(
    workspace: Workspace, member: Callable[..., User], signed_in: Callable[[User], Client]
) -> Callable[[str], Any]:
    browser = signed_in(member("VIEWER", workspace))
    return lambda path: browser.get(f"/w/{workspace.uuid}/files/archive/?path={path}")


def unpacked(response: Any) -> zipfile.ZipFile:
    archive = zipfile.ZipFile(io.BytesIO(b"".join(response.streaming_content)))
    assert archive.testzip() is None
    return archive


def test_a_folder_is_downloaded_with_all_that_is_in_it(
    get: Callable[[str], Any], shared: Path
) -> None:
    (shared / "data" / "deep" / "empty").mkdir(parents=True)
    (shared / "data" / "a.csv").write_bytes(b"1,2\n" * 50_000)
    (shared / "data" / "deep" / ".hidden").write_text("x")
    (shared / "other").write_text("not in it")

    response = get("data")
    archive = unpacked(response)

    assert response["Content-Disposition"] == 'attachment; filename="data.zip"'
    assert response["X-Content-Type-Options"] == "nosniff"
    assert sorted(archive.namelist()) == ["a.csv", "deep/", "deep/.hidden", "deep/empty/"]
    assert archive.read("a.csv") == b"1,2\n" * 50_000
    assert archive.getinfo("deep/").is_dir()


def test_the_whole_tree_comes_without_the_platform_s_own(
    get: Callable[[str], Any], shared: Path
) -> None:
    (shared / ".hostfile-6f8d4a53-4f0a-4a6c-9d53-0a9f0c1b2d3e").write_text("node-1")
    (shared / ".upload-1").write_text("half")
    (shared / "a").write_text("1")

    response = get("")

    assert response["Content-Disposition"] == 'attachment; filename="shared.zip"'
    assert unpacked(response).namelist() == ["a"]


def test_what_is_left_out_is_named(get: Callable[[str], Any], shared: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (shared / "d").mkdir()
    (shared / "d" / "way").symlink_to(tmp_path / "secret")
    os.mkfifo(shared / "d" / "pipe")

    archive = unpacked(get("d"))

    text = archive.read("_left_out.txt").decode()
    assert "way: a link\n" in text
    assert "pipe: no file\n" in text
    assert b"secret" not in b"".join(archive.read(name) for name in archive.namelist())


def test_odd_names_lead_nowhere_when_they_are_unpacked(
    get: Callable[[str], Any], shared: Path, tmp_path: Path
) -> None:
    (shared / "d").mkdir()
    for name in (b"..\\..\\evil", b"\xff", b"[FF]", b"line\nend", "数据".encode(), b"x" * 255):
        (shared / "d" / os.fsdecode(name)).write_bytes(name)

    archive = unpacked(get("d"))
    archive.extractall(tmp_path / "out")

    assert {path.read_bytes() for path in (tmp_path / "out").iterdir()} == {
        b"..\\..\\evil",
        b"\xff",
        b"[FF]",
        b"line\nend",
        "数据".encode(),
        b"x" * 255,
    }
    assert not any("\\" in name or "\n" in name for name in archive.namelist())


def test_files_of_impossible_dates_are_packed(get: Callable[[str], Any], shared: Path) -> None:
    (shared / "d").mkdir()
    for name, at in (("past", -(2**33)), ("future", 2**40)):
        (shared / "d" / name).touch()
        os.utime(shared / "d" / name, (at, at))

    archive = unpacked(get("d"))

    assert archive.getinfo("past").date_time[0] == 1980
    assert archive.getinfo("future").date_time[0] == 2107


@pytest.mark.parametrize("too_many", [True, False])
def test_too_much_for_an_archive_is_refused_before_it_begins(
    get: Callable[[str], Any],
    shared: Path,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    too_many: bool,
) -> None:
    settings.ARCHIVE_MIB = 1
    monkeypatch.setattr(archives, "ENTRY_COUNT", 4)
    (shared / "d" / "in").mkdir(parents=True)
    for number in range(4 if too_many else 3):
        (shared / "d" / "in" / str(number)).write_bytes(b"x" * (MIB // 3))
    fits = get("d")
    (shared / "d" / "in" / "0").write_bytes(b"x" * MIB)

    refusal = get("d")

    assert fits.status_code == (413 if too_many else 200)
    assert refusal.status_code == 413
    assert "too much for one archive" in refusal.content.decode()


def test_a_folder_that_is_gone_or_no_folder_is_told(
    get: Callable[[str], Any], shared: Path
) -> None:
    (shared / "a").touch()

    assert get("gone").status_code == 404
    assert get("a").status_code == 422


def test_what_vanishes_or_grows_meanwhile_does_not_spoil_the_rest(
    workspace: Workspace, shared: Path
) -> None:
    for name in "abc":
        (shared / name).write_bytes(b"1")
    archive = FolderArchive(workspace_files(workspace), "", max_bytes=MIB)
    (shared / "a").unlink()
    (shared / "b").write_bytes(b"x" * (2 * MIB))

    data = b"".join(archive)

    found = zipfile.ZipFile(io.BytesIO(data))
    text = found.read("_left_out.txt").decode()
    assert "a: a is not there any more." in text
    assert "b: the archive would have become too large" in text


def test_an_archive_is_made_in_small_pieces(workspace: Workspace, shared: Path) -> None:
    """Flat memory: 64 MiB that do not compress."""
    (shared / "d").mkdir()
    with (shared / "d" / "big").open("wb") as big:
        for _ in range(64):
            big.write(os.urandom(MIB))
    tracemalloc.start()

    archive = FolderArchive(workspace_files(workspace), "d", max_bytes=128 * MIB)
    largest = max(map(len, archive))
    archive.close()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert largest < MIB
    assert peak < 2 * MIB


def test_an_archive_that_is_given_up_closes_its_file(workspace: Workspace, shared: Path) -> None:
    (shared / "a").write_bytes(os.urandom(MIB))
    archive = FolderArchive(workspace_files(workspace), "", max_bytes=2 * MIB)
    next(iter(archive))

    archive.close()

    opened = {link.resolve() for link in Path("/proc/self/fd").iterdir()}
    assert (shared / "a").resolve() not in opened


def test_an_archive_gives_plain_permissions(get: Callable[[str], Any], shared: Path) -> None:
    (shared / "a").touch()
    (shared / "a").chmod(0o4777)

    entry = unpacked(get("")).getinfo("a")

    assert entry.external_attr >> 16 == stat.S_IFREG | 0o644
