"""The Files page, over the real shared tree of the Local cloud."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.core.signals import request_finished
from django.db import close_old_connections
from django.test import Client

from accounts.models import User
from tests.fake_cloud import FakeCloud
from workspaces.clouds.base import CloudError
from workspaces.models import TimelineEntry, Workspace
from workspaces.services.files import workspace_files
from workspaces.tasks import measure_shared_files
from workspaces.uploads import FRAME_BYTES, SharedFolderHandler
from workspaces.views.files import PAGE_SIZE

MIB = 2**20


@pytest.fixture
def shared(workspace: Workspace, cloud: FakeCloud) -> Path:
    """The folder itself, as nodes see it."""
    return Path(workspace_files(workspace).location)


@pytest.fixture
def browser(
    workspace: Workspace, member: Callable[..., User], signed_in: Callable[[User], Client]
) -> Client:
    return signed_in(member("MEMBER", workspace))


@pytest.fixture
def address(workspace: Workspace) -> str:
    return f"/w/{workspace.uuid}/files/"


def upload(browser: Client, url: str, *files: tuple[str, bytes], **fields: str) -> Any:
    parts = []
    for name, data in files:
        part = io.BytesIO(data)
        part.name = name
        parts.append(part)
    headers = fields.pop("headers", None) or {}
    return browser.post(
        url, {"files": parts, **fields, "complete": "1"}, headers=headers, follow=False
    )


def told(browser: Client, address: str) -> str:
    return browser.get(address).content.decode()


def test_an_uploaded_file_lies_in_the_shared_tree(
    browser: Client, address: str, shared: Path
) -> None:
    """F019, F216."""
    response = upload(browser, f"{address}upload/", ("ex.py", b"print()"), ("b.csv", b"1"))

    assert response.status_code == 302
    assert (shared / "ex.py").read_bytes() == b"print()"
    page = told(browser, address)
    assert "Uploaded ex.py, b.csv" in page
    assert "7 bytes" in page


def test_the_page_says_what_the_documents_say(browser: Client, address: str) -> None:
    """F152, F216."""
    page = told(browser, address)

    assert (
        "You can place scripts and small data that are shared across cluster nodes in /shared. "
        "External storage, such as S3, should be used for reading and writing large data."
    ) in page
    assert "No files in this folder" in page
    assert "0 bytes used" in page


def test_a_file_is_downloaded_and_never_shown(browser: Client, address: str, shared: Path) -> None:
    (shared / "a.html").write_text("<script>alert(1)</script>")

    response = browser.get(f"{address}download/?path=a.html")

    assert b"".join(response.streaming_content) == b"<script>alert(1)</script>"  # type: ignore[attr-defined]
    assert response["Content-Disposition"] == 'attachment; filename="a.html"'
    assert response["Content-Type"] == "application/octet-stream"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Length"] == "25"


ODD_NAMES = [
    b"plain.txt",
    b"with space and 'quotes\" & <b>.txt",
    b"per%20cent%.txt",
    b"#hash?x=1&path=b",
    b"line\nend",
    b"\xff\xfe",
    b"\xe2\x80\xaetxt.exe",
    b"trailing ",
    b"\\back\\slash",
    b"-rf",
    "naïve 数据.csv".encode(),
    b"x" * 255,
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_file_of_any_name_can_be_managed_on_the_page(
    browser: Client, address: str, shared: Path, name: bytes
) -> None:
    (shared / "in").mkdir()
    path = shared / "in" / os.fsdecode(name)
    path.write_bytes(b"content")
    key = quote(b"in/" + name, safe="/")

    page = told(browser, f"{address}?path=in&hidden=1")
    download = browser.get(f"{address}download/?path={key}")
    renamed = browser.post(f"{address}move/?path={key}", {"name": "new", "folder": "/shared/in"})

    assert f"?path={key}" in page
    assert b"".join(download.streaming_content) == b"content"  # type: ignore[attr-defined]
    assert download["Content-Disposition"].startswith("attachment; filename")
    assert renamed.status_code == 302
    assert (shared / "in" / "new").read_bytes() == b"content"
    (shared / "in" / "new").rename(path)
    browser.post(f"{address}delete/?path={key}")
    assert list((shared / "in").iterdir()) == []
    assert told(browser, address)  # the messages about it can be drawn


def test_odd_names_are_shown_visibly_and_escaped(
    browser: Client, address: str, shared: Path
) -> None:
    (shared / "evil\u202efdp.exe").touch()
    (shared / "<img src=x>").touch()
    (shared / "way").symlink_to("/etc/<b>passwd")

    page = told(browser, address)

    assert "evil[U+202E]fdp.exe" in page
    assert "\u202e" not in page
    assert "<img src=x>" not in page
    assert "/etc/&lt;b&gt;passwd" in page


@pytest.mark.parametrize(
    "path",
    [
        "..",
        "../../secret",
        "a/../../secret",
        "/etc/passwd",
        "%2e%2e/secret",
        "..%2fsecret",
        "%2fetc%2fpasswd",
        "%00",
        "%ed%a0%80",
        "a//b",
        "way/secret",
        "way",
    ],
)
@pytest.mark.parametrize(
    "verb", ["", "download/", "archive/", "move/", "new-folder/", "delete/", "upload/"]
)
def test_no_address_leaves_the_tree(
    browser: Client, address: str, shared: Path, verb: str, path: str
) -> None:
    outside = shared.parent
    (outside / "secret").write_text("secret")
    (shared / "a").mkdir()
    (shared / "way").symlink_to(outside)
    url = f"{address}{verb}?path={path}"

    answers = [
        browser.get(url),
        browser.post(url, {"name": "new", "folder": "/shared"}),
        upload(browser, url, ("n", b"")),
    ]

    assert not any(answer.streaming for answer in answers)
    assert {answer.status_code for answer in answers} <= {200, 302, 404, 405, 422}
    assert (outside / "secret").read_text() == "secret"
    assert sorted(entry.name for entry in outside.iterdir()) == ["secret", "shared"]
    assert outside.is_dir()


def test_the_name_of_an_upload_holds_no_folder(browser: Client, address: str, shared: Path) -> None:
    upload(browser, f"{address}upload/", ("../../evil.txt", b"1"))
    upload(browser, f"{address}upload/", ("C:\\Users\\me\\a.txt", b"2"))

    assert sorted(path.name for path in shared.rglob("*")) == ["a.txt", "evil.txt"]


def test_an_existing_file_is_replaced_when_asked_for(
    browser: Client, address: str, shared: Path
) -> None:
    (shared / "a").write_text("old")

    refused = upload(browser, f"{address}upload/", ("new", b"1"), ("a", b"new"))
    content = (shared / "a").read_text()
    replaced = upload(browser, f"{address}upload/", ("a", b"new"), replace="1")

    assert refused.status_code == 409
    assert "a exists already. Stored before that: new." in refused.content.decode()
    assert content == "old"
    assert replaced.status_code == 302
    assert (shared / "a").read_text() == "new"


def test_a_script_is_told_in_json(browser: Client, address: str) -> None:
    json_please = {"accept": "application/json"}
    url = f"{address}upload/"

    stored = upload(browser, url, ("a", b"1"), headers=json_please)  # type: ignore[arg-type]
    refused = upload(browser, url, ("a", b"2"), headers=json_please)  # type: ignore[arg-type]

    assert (stored.status_code, json.loads(stored.content)) == (201, {"message": "Uploaded a"})
    assert refused.status_code == 409
    assert json.loads(refused.content) == {"message": "a exists already.", "code": "Exists"}


@pytest.mark.parametrize("extra", [0, 1])
def test_the_limit_of_an_upload_is_exact(
    browser: Client, address: str, shared: Path, settings: Any, extra: int
) -> None:
    settings.UPLOAD_MIB = 1

    response = upload(browser, f"{address}upload/", ("a", b"x" * (MIB + extra)))

    assert response.status_code == (413 if extra else 302)
    assert (shared / "a").exists() is not bool(extra)
    if extra:
        assert "Uploads can have 1 MiB at most; nothing was stored." in response.content.decode()
        assert list(shared.iterdir()) == []


def test_the_limit_counts_all_files_of_a_form(
    browser: Client, address: str, shared: Path, settings: Any
) -> None:
    settings.UPLOAD_MIB = 1
    half = b"x" * (MIB // 2)

    response = upload(browser, f"{address}upload/", ("a", half), ("b", half), ("c", b"1"))

    assert response.status_code == 413
    assert list(shared.iterdir()) == []


class Unreadable(io.BytesIO):
    def read(self, *args: object) -> bytes:
        raise AssertionError("the body was read")


@pytest.mark.parametrize("is_absurd", [False, True])
def test_a_larger_form_is_refused_by_its_length_and_kept_nowhere(
    browser: Client, address: str, shared: Path, settings: Any, is_absurd: bool
) -> None:
    """What is not absurd is read to its end, or browsers would show a reset connection."""
    settings.UPLOAD_MIB = 1
    length = 10**12 if is_absurd else MIB + FRAME_BYTES + 1
    body = Unreadable() if is_absurd else io.BytesIO(b"x" * length)

    response = browser.post(
        f"{address}upload/",
        content_type="multipart/form-data; boundary=b",
        **{"wsgi.input": body, "CONTENT_LENGTH": str(length)},
    )

    assert response.status_code == 413
    assert "Uploads can have 1 MiB at most" in response.content.decode()
    assert is_absurd or body.tell() == length
    assert list(shared.iterdir()) == []


@pytest.mark.parametrize("role", ["VIEWER", "STRANGER"])
def test_who_may_not_write_is_refused_unread(
    workspace: Workspace,
    address: str,
    member: Callable[..., User],
    user: Callable[..., User],
    signed_in: Callable[[User], Client],
    role: str,
) -> None:
    """K13."""
    person = user("mallory@example.org") if role == "STRANGER" else member(role, workspace)
    response = signed_in(person).post(
        f"{address}upload/",
        content_type="multipart/form-data; boundary=b",
        **{"wsgi.input": Unreadable(), "CONTENT_LENGTH": "1000"},
    )

    assert response.status_code == (404 if role == "STRANGER" else 403)


@pytest.mark.parametrize("has_token", [True, False])
def test_an_upload_needs_the_token_of_the_form(
    workspace: Workspace,
    address: str,
    shared: Path,
    member: Callable[..., User],
    has_token: bool,
) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(
        member("MEMBER", workspace), "allauth.account.auth_backends.AuthenticationBackend"
    )
    page = browser.get(address).content.decode()
    token = page.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
    data = {"csrfmiddlewaretoken": token if has_token else "x" * 64, "files": io.BytesIO(b"1")}
    data["files"].name = "a"  # type: ignore[attr-defined]

    response = browser.post(f"{address}upload/", {**data, "complete": "1"})

    assert response.status_code == (302 if has_token else 403)
    assert [path.name for path in shared.iterdir()] == (["a"] if has_token else [])


def _form(*parts: tuple[str, bytes]) -> bytes:
    return b"".join(
        b"--b\r\nContent-Disposition: form-data; " + head.encode() + b"\r\n\r\n" + body + b"\r\n"
        for head, body in parts
    )


@pytest.mark.parametrize("cut", [40, 300, 4000, 70_000, 120_000])
def test_an_upload_that_breaks_off_leaves_nothing(
    browser: Client, address: str, shared: Path, cut: int
) -> None:
    """To Django the last file of a broken connection looks whole."""
    body = _form(
        ('name="files"; filename="a"', b"x" * 3000), ('name="files"; filename="b"', b"y" * 130_000)
    )
    whole = body + _form(('name="complete"', b"1")) + b"--b--\r\n"
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - no path

    response = browser.post(
        f"{address}upload/",
        content_type="multipart/form-data; boundary=b",
        **{"wsgi.input": io.BytesIO(whole[:cut]), "CONTENT_LENGTH": str(len(whole))},
    )

    assert response.status_code in {400, 422}
    assert list(shared.iterdir()) == []
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - no path


def test_the_same_form_in_one_piece_is_stored(browser: Client, address: str, shared: Path) -> None:
    whole = _form(('name="files"; filename="a"', b"x" * 3000), ('name="complete"', b"1"))

    response = browser.post(
        f"{address}upload/",
        whole + b"--b--\r\n",
        content_type="multipart/form-data; boundary=b",
    )

    assert response.status_code == 302
    assert (shared / "a").stat().st_size == 3000


def test_a_connection_that_fails_while_it_is_read_leaves_nothing(
    browser: Client, address: str, shared: Path
) -> None:
    class Broken(io.BytesIO):
        def read(self, *args: Any) -> bytes:
            data = super().read(*args)
            if not data:
                raise OSError("reset")
            return data

    body = _form(('name="files"; filename="a"', b"x" * 100_000))

    response = browser.post(
        f"{address}upload/",
        content_type="multipart/form-data; boundary=b",
        **{"wsgi.input": Broken(body), "CONTENT_LENGTH": str(len(body) + 50_000)},
    )

    assert response.status_code < 500
    assert list(shared.iterdir()) == []


def test_too_many_files_are_refused_with_a_sentence(
    browser: Client, address: str, shared: Path
) -> None:
    response = upload(browser, f"{address}upload/", *((f"{n}", b"1") for n in range(21)))

    assert response.status_code == 422
    assert "Choose 20 files at most at once." in response.content.decode()
    assert list(shared.iterdir()) == []


@pytest.mark.parametrize("extra", [0, 1])
def test_the_quota_is_exact_on_the_page_too(
    browser: Client, address: str, shared: Path, cloud: FakeCloud, extra: int
) -> None:
    cloud.quota_bytes = MIB
    (shared / "old").write_bytes(b"x" * (MIB - 10))

    response = upload(browser, f"{address}upload/", ("a", b"x" * (10 + extra)))

    assert response.status_code == (422 if extra else 302)
    assert (shared / "a").exists() is not bool(extra)
    assert "of 1 MiB used" in told(browser, address)


def test_the_page_says_when_the_files_were_counted(
    browser: Client,
    address: str,
    workspace: Workspace,
    shared: Path,
    cloud: FakeCloud,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cloud.quota_bytes = MIB
    (shared / "result").write_bytes(b"x" * 2 * MIB)
    at_once = told(browser, address)
    measure_shared_files()
    monkeypatch.setattr("workspaces.views.files.COUNT_SECONDS", -1)
    monkeypatch.setattr("workspaces.file_rows._OLD_SECONDS", -1)

    later = told(browser, address)

    assert "2 MiB of 1 MiB used, 0 bytes free, counted now" in at_once
    assert "2 MiB of 1 MiB used, 0 bytes free, counted <time" in later
    assert "Uploads are refused until some files are deleted." in later
    assert upload(browser, f"{address}upload/", ("a", b"1")).status_code == 422


def test_files_that_can_not_be_counted_are_logged(
    workspace: Workspace, shared: Path, cloud: FakeCloud, caplog: pytest.LogCaptureFixture
) -> None:
    shared.rmdir()
    shared.symlink_to("/")

    measure_shared_files()

    assert "The shared folder is not a folder." in caplog.text


def test_a_folder_is_made_where_one_looks(browser: Client, address: str, shared: Path) -> None:
    (shared / "a b").mkdir()

    response = browser.post(f"{address}new-folder/?path=a%20b", {"name": "data"})

    assert response.url == f"{address}?path=a%20b"  # type: ignore[attr-defined]
    assert (shared / "a b" / "data").is_dir()
    assert '<bdi aria-current="page">a b</bdi>' in told(browser, response.url)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\0", "a\nb", "é" * 128, "taken"])
@pytest.mark.parametrize("verb", ["new-folder/", "move/?path=a"])
def test_a_bad_name_is_told_beside_the_field(
    browser: Client, address: str, shared: Path, verb: str, name: str
) -> None:
    (shared / "a").touch()
    (shared / "taken").touch()

    response = browser.post(f"{address}{verb}", {"name": name, "folder": "/shared"})

    assert response.status_code == 422
    assert 'id="id_name_error"' in response.content.decode()
    assert sorted(path.name for path in shared.iterdir()) == ["a", "taken"]


@pytest.mark.parametrize("folder", ["/shared/data/old", "data/old", "/shared/data/old/"])
def test_a_file_moves_to_the_folder_that_was_typed(
    browser: Client, address: str, shared: Path, folder: str
) -> None:
    (shared / "a").write_text("1")
    (shared / "data" / "old").mkdir(parents=True)

    form = browser.get(f"{address}move/?path=a").content.decode()
    response = browser.post(f"{address}move/?path=a", {"name": "b", "folder": folder})

    assert '<option value="/shared/data">' in form
    assert response["Location"] == f"{address}?path=data/old"
    assert (shared / "data" / "old" / "b").read_text() == "1"
    assert "Moved a to /shared/data/old/b" in told(browser, address)
    entry = TimelineEntry.objects.get()
    assert (entry.action, entry.after) == ("file.move", {"path": "data/old/b"})


@pytest.mark.parametrize("folder", ["", "gone", "..", "/etc", "way", "a", "/shared/d/in", "\0"])
def test_a_folder_that_can_not_be_moved_to_is_told_beside_the_field(
    browser: Client, address: str, shared: Path, tmp_path: Path, folder: str
) -> None:
    (shared / "a").touch()
    (shared / "d" / "in").mkdir(parents=True)
    (shared / "way").symlink_to(tmp_path)

    response = browser.post(f"{address}move/?path=d", {"name": "d", "folder": folder})

    assert response.status_code == 422
    assert 'id="id_folder_error"' in response.content.decode()
    assert (shared / "d" / "in").is_dir()


def test_a_name_that_no_form_can_hold_survives_a_move(
    browser: Client, address: str, shared: Path
) -> None:
    name = b"\xff\n"
    (shared / os.fsdecode(name)).touch()
    (shared / "d").mkdir()
    url = f"{address}move/?path={quote(name)}"

    shown = browser.get(url).context["form"]["name"].value()
    browser.post(url, {"name": shown, "folder": "/shared/d"})

    assert [os.fsencode(path.name) for path in (shared / "d").iterdir()] == [name]


def test_what_vanished_meanwhile_is_told(browser: Client, address: str) -> None:
    deleted = browser.post(f"{address}delete/?path=gone", follow=True)
    renamed = browser.post(f"{address}move/?path=gone", {"name": "b", "folder": "/shared"})
    fetched = browser.get(f"{address}download/?path=gone")

    assert "gone is not there any more." in deleted.content.decode()
    assert renamed.status_code == fetched.status_code == 404
    assert "gone is not there any more." in renamed.content.decode()
    assert "gone is not there any more." in fetched.content.decode()


def test_a_folder_is_deleted_with_what_is_in_it(
    browser: Client, address: str, shared: Path
) -> None:
    (shared / "d" / "e").mkdir(parents=True)
    (shared / "d" / "e" / "f").touch()

    response = browser.post(f"{address}delete/?path=d/e")

    assert response.url == f"{address}?path=d"  # type: ignore[attr-defined]
    assert list((shared / "d").iterdir()) == []


def test_the_platform_s_files_are_hidden_and_stay(
    browser: Client, address: str, shared: Path
) -> None:
    name = ".hostfile-6f8d4a53-4f0a-4a6c-9d53-0a9f0c1b2d3e"
    (shared / name).write_text("node-1")

    page, full = told(browser, address), told(browser, f"{address}?hidden=1")
    browser.post(f"{address}delete/?path={name}")
    browser.post(f"{address}move/?path={name}", {"name": "a", "folder": "/shared"})
    upload(browser, f"{address}upload/", (name, b"x"), replace="1")

    assert name not in page
    assert "Show hidden files (1)" in page
    assert f"delete/?path={name}" not in full
    assert name in full
    assert (shared / name).read_text() == "node-1"


def test_a_viewer_looks_and_downloads_only(
    workspace: Workspace,
    address: str,
    shared: Path,
    member: Callable[..., User],
    signed_in: Callable[[User], Client],
) -> None:
    (shared / "a").write_text("1")

    page = told(signed_in(member("VIEWER", workspace)), address)

    assert "download/?path=a" in page
    for action in ("upload/", "move/", "delete/", "new-folder/"):
        assert f"{address}{action}" not in page


@pytest.mark.parametrize("status", ["NEW", "INPROGRESS", "FAILED", "TERMINATING", "TERMINATED"])
def test_files_are_there_when_the_workspace_is_ready(
    workspace: Workspace, browser: Client, address: str, shared: Path, status: str
) -> None:
    (shared / "a").touch()
    Workspace.objects.filter(pk=workspace.pk).update(status=status)

    page = browser.get(address)
    upload(browser, f"{address}upload/", ("b", b"1"))
    browser.post(f"{address}delete/?path=a")

    assert page.status_code == 409
    assert "Files are here when Research is READY." in page.content.decode()
    assert [path.name for path in shared.iterdir()] == ["a"]


def test_changes_are_in_the_timeline_by_name(
    browser: Client, address: str, workspace: Workspace
) -> None:
    upload(browser, f"{address}upload/", ("a", b"secret"))
    browser.post(f"{address}move/?path=a", {"name": "b", "folder": "/shared"})
    browser.post(f"{address}delete/?path=b")
    browser.post(f"{address}new-folder/", {"name": "\u202e" * 80})

    entries = TimelineEntry.objects.filter(workspace=workspace).order_by("pk")
    assert [(e.action, e.target_name) for e in entries][:3] == [
        ("file.upload", "a"),
        ("file.rename", "a"),
        ("file.delete", "b"),
    ]
    assert entries[1].after == {"path": "b"}
    assert entries[3].action == "folder.create"


def test_a_long_folder_has_pages_and_no_more_queries(
    browser: Client,
    address: str,
    shared: Path,
    django_assert_max_num_queries: Callable[[int], Any],
) -> None:
    for number in range(PAGE_SIZE + 5):
        (shared / f"{number:04}").touch()
    browser.get(address)

    with django_assert_max_num_queries(8):
        first = told(browser, address)
    second, beyond = told(browser, f"{address}?page=2"), told(browser, f"{address}?page=99")

    assert first.count("download/?path=") == 2 * PAGE_SIZE
    assert "0204" in second
    assert "0204" in beyond
    assert "1 of 2" in first


def test_a_file_of_an_impossible_date_is_listed(
    browser: Client, address: str, shared: Path
) -> None:
    (shared / "a").touch()
    os.utime(shared / "a", (2**40, 2**40))

    assert browser.get(address).status_code == 200


def test_uploads_go_through_memory_in_small_pieces(workspace: Workspace, shared: Path) -> None:
    """Flat memory."""
    import tracemalloc

    class Endless(io.RawIOBase):
        """A form with one file of 64 MiB that is nowhere as a whole."""

        def __init__(self) -> None:
            self._left = self._pieces()

        def _pieces(self) -> Iterator[bytes]:
            yield _form(('name="files"; filename="a"', b""))[:-2]
            for _ in range(1024):
                yield b"x" * 65536
            yield b"\r\n" + _form(('name="complete"', b"1")) + b"--b--\r\n"

        def read(self, size: int = -1) -> bytes:
            return next(self._left, b"")

    request = WSGIRequest(
        {
            "REQUEST_METHOD": "POST",
            "CONTENT_TYPE": "multipart/form-data; boundary=b",
            "CONTENT_LENGTH": str(65 * MIB),
            "wsgi.input": Endless(),
        }
    )
    files = workspace_files(workspace)
    handler = SharedFolderHandler(request, files, "", max_bytes=64 * MIB)
    request.upload_handlers = [handler]
    tracemalloc.start()

    complete = request.POST["complete"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert (complete, handler.error) == ("1", None)
    assert handler.drafts[0].size == 64 * MIB
    assert peak < 2 * MIB
    handler.discard()


def test_a_cloud_that_can_not_be_reached_is_told(
    browser: Client, address: str, cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.shared_root = None

    response = browser.get(address)

    assert response.status_code == 409
    assert "This cloud keeps no files." in response.content.decode()
    with pytest.raises(CloudError):
        cloud.shared_files(None)  # type: ignore[arg-type]


def test_a_download_that_is_given_up_closes_the_file(
    browser: Client, address: str, shared: Path
) -> None:
    (shared / "a").write_bytes(b"x" * MIB)
    # The end of a request closes the connection, and with it the transaction of this test.
    request_finished.disconnect(close_old_connections)

    unread = browser.get(f"{address}download/?path=a")
    unread.close()
    begun = browser.get(f"{address}download/?path=a")
    next(iter(begun.streaming_content))  # type: ignore[attr-defined]
    begun.close()

    request_finished.connect(close_old_connections)
    assert (shared / "a").resolve() not in {
        link.resolve() for link in Path("/proc/self/fd").iterdir()
    }
