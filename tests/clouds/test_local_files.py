"""The shared tree on a real disk: what leaves it, what stays of an upload, what a quota lets in."""

from __future__ import annotations

import os
import socket
import stat
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workspaces.clouds.base import CloudError, WorkspaceSpec
from workspaces.clouds.local.driver import LocalCloud
from workspaces.clouds.local.files import LocalFiles
from workspaces.clouds.local.measures import Measure, measure_write
from workspaces.clouds.shared_files import FileKind, visible

WORKSPACE = UUID("6f8d4a53-4f0a-4a6c-9d53-0a9f0c1b2d3e")
MIB = 2**20


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    folder = tmp_path / "state" / "workspaces" / str(WORKSPACE) / "shared"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def files(tmp_path: Path, shared: Path) -> LocalFiles:
    return LocalCloud({"root": tmp_path / "state"}).shared_files(WorkspaceSpec(WORKSPACE, "local"))


@pytest.fixture
def limited(tmp_path: Path, shared: Path) -> LocalFiles:
    cloud = LocalCloud({"root": tmp_path / "state", "shared_quota_mib": 1})
    return cloud.shared_files(WorkspaceSpec(WORKSPACE, "local"))


def store(files: LocalFiles, folder: str, name: str, data: bytes, *, replace: bool = False) -> None:
    draft = files.draft(folder, name, max_bytes=16 * MIB)
    draft.write(data)
    draft.commit(replace=replace)


def content(files: LocalFiles, path: str, part: tuple[int, int] | None = None) -> bytes:
    reader = files.open(path)
    if part:
        reader.only(*part)
    try:
        return b"".join(reader)
    finally:
        reader.close()


def rename(files: LocalFiles, path: str, name: str) -> str:
    return files.move(path, path.rpartition("/")[0], name)


def names(files: LocalFiles, path: str = "", *, hidden: bool = True) -> list[str]:
    return [f.name for f in files.list(path, hidden=hidden, start=0, count=1000).files]


def everything(shared: Path) -> list[str]:
    return sorted(str(path.relative_to(shared)) for path in shared.rglob("*"))


def refused(code: str, action: Callable[[], object]) -> str:
    with pytest.raises(CloudError) as caught:
        action()
    assert caught.value.code == code, caught.value
    return caught.value.message


def every_action(files: LocalFiles, path: str) -> list[Callable[[], object]]:
    """Each way to reach what is at ``path``."""
    return [
        lambda: files.list(path, hidden=True, start=0, count=10),
        lambda: files.stat(path),
        lambda: files.open(path),
        lambda: files.draft(path, "new", max_bytes=10),
        lambda: files.make_folder(path, "new"),
        lambda: rename(files, path, "new"),
        lambda: files.remove(path),
    ]


def test_what_is_written_is_listed_and_read(files: LocalFiles) -> None:
    """F019."""
    files.make_folder("", "data")
    store(files, "data", "a.csv", b"1,2\n")
    store(files, "", "z.py", b"print()")

    page = files.list("", hidden=True, start=0, count=10)

    assert [(f.path, f.kind) for f in page.files] == [
        ("data", FileKind.FOLDER),
        ("z.py", FileKind.FILE),
    ]
    assert content(files, "data/a.csv") == b"1,2\n"
    assert content(files, "data/a.csv", (2, 9)) == b"2\n"
    assert files.stat("data/a.csv").size == 4


def test_the_tree_is_the_one_that_the_nodes_get(files: LocalFiles, shared: Path) -> None:
    """F147."""
    store(files, "", "a.py", b"x")

    assert (shared / "a.py").read_bytes() == b"x"
    assert files.location == str(shared)


@pytest.mark.parametrize(
    "path",
    [
        "..",
        "../secret",
        "a/../../secret",
        "./a",
        "a/./b",
        "/etc",
        "/etc/passwd",
        "a//b",
        "a/",
        "\0",
        "a\0b",
        "x" * 256,
        "\ud800",
    ],
)
def test_no_path_leaves_the_tree(files: LocalFiles, shared: Path, path: str) -> None:
    (shared.parent / "secret").write_text("secret")
    (shared / "a").mkdir()
    (shared / "a" / "b").write_text("b")

    for action in every_action(files, path):
        refused("NotFound", action)

    assert everything(shared) == ["a", "a/b"]
    assert (shared.parent / "secret").read_text() == "secret"


def test_backslashes_and_percent_signs_are_letters(files: LocalFiles) -> None:
    for name in ("..\\..\\etc", "%2e%2e%2f", "C:\\x", "$(id)", "`id`", "-rf", "~"):
        store(files, "", name, name.encode())

        assert content(files, name) == name.encode()


@pytest.mark.parametrize("target", ["outside", "relative", "shared"])
def test_a_link_is_shown_and_followed_nowhere(
    files: LocalFiles, shared: Path, tmp_path: Path, target: str
) -> None:
    outside = tmp_path / "outside"
    (outside / "inner").mkdir(parents=True)
    (outside / "secret").write_text("secret")
    to = {"outside": outside, "relative": Path("../../../../outside"), "shared": shared}[target]
    (shared / "way").symlink_to(to)
    before = sorted(outside.rglob("*"))

    for action in every_action(files, "way")[2:5]:
        assert refused_code(action) in {"NotFound", "NotAFolder", "NotAFile"}
    for below in ("way/secret", "way/inner", "way/inner/x"):
        for action in every_action(files, below):
            assert refused_code(action) in {"NotFound", "NotAFolder"}

    link = files.stat("way")
    assert (link.kind, link.target) == (FileKind.LINK, str(to))
    assert refused_code(lambda: files.list("way", hidden=True, start=0, count=9)) == "NotAFolder"
    assert sorted(outside.rglob("*")) == before


def refused_code(action: Callable[[], object]) -> str:
    with pytest.raises(CloudError) as caught:
        action()
    return caught.value.code


def test_a_link_to_a_file_outside_is_not_read(
    files: LocalFiles, shared: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("secret")
    (shared / "way").symlink_to(tmp_path / "secret")

    refused("NotAFile", lambda: files.open("way"))


def test_removing_and_renaming_a_link_leaves_what_it_leads_to(
    files: LocalFiles, shared: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    (shared / "way").symlink_to(outside)
    (shared / "folder").mkdir()
    (shared / "folder" / "way").symlink_to(outside)

    rename(files, "way", "path")
    files.remove("path")
    files.remove("folder")

    assert everything(shared) == []
    assert (outside / "kept").read_text() == "kept"


def test_a_link_in_place_of_the_tree_itself_is_refused(
    files: LocalFiles, shared: Path, tmp_path: Path
) -> None:
    shared.rmdir()
    shared.symlink_to(tmp_path)

    refused("NotAFolder", lambda: files.list("", hidden=True, start=0, count=9))


def test_an_upload_never_replaces_a_link(files: LocalFiles, shared: Path, tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("victim")
    (shared / "a").symlink_to(tmp_path / "victim")

    refused("Exists", lambda: store(files, "", "a", b"x", replace=True))

    assert (tmp_path / "victim").read_text() == "victim"
    assert (shared / "a").is_symlink()


@pytest.fixture
def swapping(shared: Path, tmp_path: Path) -> Iterator[Path]:
    """A folder ``spot`` that is a link to the outside every other moment."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a").write_text("secret")
    inside, link, spot = shared / "inside", shared / "link", shared / "spot"
    inside.mkdir()
    (inside / "a").write_text("public")
    link.symlink_to(outside)
    ended = threading.Event()

    def swap() -> None:
        while not ended.is_set():
            for other in (inside, link):
                other.rename(spot)
                spot.rename(other)

    thread = threading.Thread(target=swap)
    thread.start()
    yield outside
    ended.set()
    thread.join()


def test_a_link_swapped_in_during_a_request_leads_nowhere(
    files: LocalFiles, swapping: Path
) -> None:
    read: set[bytes] = set()
    codes: set[str] = set()
    for number in range(600):
        for action in (
            lambda: read.add(content(files, "spot/a")),
            lambda n=number: files.make_folder("spot", f"made-{n}"),
            lambda n=number: store(files, "spot", f"stored-{n}", b"x"),
            lambda n=number: files.remove(f"spot/made-{n}"),
        ):
            try:
                action()
            except CloudError as error:
                codes.add(error.code)

    assert codes <= {"NotFound", "NotAFolder"}
    assert read <= {b"public"}
    assert sorted(path.name for path in swapping.iterdir()) == ["a"]
    assert (swapping / "a").read_text() == "secret"


def test_special_files_are_listed_and_never_opened(files: LocalFiles, shared: Path) -> None:
    os.mkfifo(shared / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        folder = os.open(shared, os.O_RDONLY)
        server.bind(f"/proc/self/fd/{folder}/socket")
        os.close(folder)

    kinds = {f.name: f.kind for f in files.list("", hidden=True, start=0, count=9).files}

    assert kinds == {"fifo": FileKind.SPECIAL, "socket": FileKind.SPECIAL}
    for name in kinds:
        assert "special" in refused("NotAFile", lambda name=name: files.open(name))
        refused("Exists", lambda name=name: store(files, "", name, b"x", replace=True))
        files.remove(name)
    assert names(files) == []


@pytest.mark.parametrize(
    "name",
    ["", " ", ".", "..", "a/b", "a\0b", "a\nb", "\t", "a\x7f", "a\x85", "\udcff", "é" * 128],
)
def test_a_bad_new_name_is_refused_with_a_sentence(
    files: LocalFiles, shared: Path, name: str
) -> None:
    (shared / "a").mkdir()

    for action in (
        lambda: files.make_folder("", name),
        lambda: files.draft("", name, max_bytes=1),
        lambda: rename(files, "a", name),
    ):
        assert refused("BadName", action).endswith(".")

    assert everything(shared) == ["a"]


def test_the_longest_name_is_255_bytes(files: LocalFiles) -> None:
    store(files, "", "é" * 127 + "x", b"1")

    assert names(files) == ["é" * 127 + "x"]


@given(st.text(min_size=1, max_size=80))
def test_every_name_is_stored_as_it_is_or_refused(
    tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    base = tmp_path_factory.getbasetemp() / f"names-{uuid4().hex}"
    (base / "w" / "shared").mkdir(parents=True)
    files = LocalFiles(base, "w")

    try:
        store(files, "", name, b"x")
    except CloudError as error:
        assert error.code in {"BadName", "Protected"}  # noqa: PT017 - a name is either
        assert names(files) == []
    else:
        assert names(files) == [name]
        assert content(files, name) == b"x"
    assert [path.name for path in (base / "w").iterdir()] == ["shared"]


@given(st.text(st.characters(codec=None), max_size=40))
def test_what_is_shown_can_be_encoded_and_hides_nothing(name: str) -> None:
    shown = visible(name)

    shown.encode()
    assert shown.isprintable()
    assert shown == shown.strip()
    assert bool(shown) == bool(name)


def test_odd_names_are_shown_for_what_they_are() -> None:
    assert visible("report\u202efdp.exe") == "report[U+202E]fdp.exe"
    assert visible(" a  ") == "␣a␣␣"
    assert visible("a\nb") == "a[U+000A]b"
    assert visible("a\u00a0b\udcff") == "a[U+00A0]b[FF]"
    assert visible("שלום.txt") == "שלום.txt"


def test_files_with_names_of_any_bytes_can_be_managed(files: LocalFiles, shared: Path) -> None:
    for raw in (b"\xff\xfe", b"a\nb", b"\x1b[31m", b"--help", b"x" * 255):
        (shared / os.fsdecode(raw)).write_bytes(raw)

        assert content(files, os.fsdecode(raw)) == raw
        assert rename(files, os.fsdecode(raw), "plain") == "plain"
        files.remove("plain")

    assert names(files) == []


def test_the_platform_s_own_files_stay(files: LocalFiles, shared: Path) -> None:
    hostfile = f".hostfile-{uuid4()}"
    (shared / hostfile).write_text("node-1")
    (shared / "a").write_text("a")

    for action in (
        lambda: store(files, "", hostfile, b"x", replace=True),
        lambda: rename(files, hostfile, "mine"),
        lambda: rename(files, "a", f".hostfile-{uuid4()}"),
        lambda: files.remove(hostfile),
        lambda: files.make_folder("", f".hostfile-{uuid4()}"),
        lambda: files.remove(""),
    ):
        refused("Protected", action)

    assert (shared / hostfile).read_text() == "node-1"
    assert files.stat(hostfile).is_protected
    assert names(files, hidden=False) == ["a"]
    assert files.list("", hidden=False, start=0, count=9).hidden == 1


def test_a_folder_is_listed_in_pages(files: LocalFiles, shared: Path) -> None:
    for number in range(25):
        (shared / f"{number:02}").touch()

    page = files.list("", hidden=False, start=20, count=10)

    assert [f.name for f in page.files] == ["20", "21", "22", "23", "24"]
    assert page.total == 25


def test_an_existing_name_is_replaced_only_when_asked_for(files: LocalFiles, shared: Path) -> None:
    (shared / "run.sh").write_text("old")
    (shared / "run.sh").chmod(0o755)

    refused("Exists", lambda: store(files, "", "run.sh", b"new"))
    assert (shared / "run.sh").read_text() == "old"
    store(files, "", "run.sh", b"new", replace=True)

    assert (shared / "run.sh").read_text() == "new"
    assert stat.S_IMODE((shared / "run.sh").stat().st_mode) == 0o755
    assert everything(shared) == ["run.sh"]


def test_a_reader_keeps_what_it_opened_while_it_is_replaced(files: LocalFiles) -> None:
    store(files, "", "a", b"old" * 100_000)
    reader = iter(files.open("a"))

    first = next(reader)
    store(files, "", "a", b"new", replace=True)

    assert first + b"".join(reader) == b"old" * 100_000


def test_two_uploads_of_one_name_store_one_whole_file(files: LocalFiles, shared: Path) -> None:
    drafts = [files.draft("", "a", max_bytes=10) for _ in range(2)]
    for number, draft in enumerate(drafts):
        draft.write(b"%d" % number)

    drafts[0].commit(replace=False)
    refused("Exists", lambda: drafts[1].commit(replace=False))

    assert (shared / "a").read_bytes() == b"0"
    assert everything(shared) == ["a"]


@pytest.mark.parametrize("has_nameless", [True, False], ids=["O_TMPFILE", "named"])
def test_an_upload_that_is_given_up_leaves_nothing(
    files: LocalFiles, shared: Path, monkeypatch: pytest.MonkeyPatch, has_nameless: bool
) -> None:
    if not has_nameless:
        monkeypatch.setattr(os, "O_TMPFILE", os.O_WRONLY | os.O_DIRECTORY)
    open_before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - no path
    draft = files.draft("", "a", max_bytes=100)
    draft.write(b"half")

    assert names(files, hidden=False) == []
    draft.discard()
    draft.discard()

    assert everything(shared) == []
    assert len(os.listdir("/proc/self/fd")) == open_before  # noqa: PTH208 - no path
    store(files, "", "a", b"1")
    store(files, "", "a", b"2", replace=True)
    assert everything(shared) == ["a"]


def test_what_a_killed_upload_left_is_swept(files: LocalFiles, shared: Path) -> None:
    old, young = shared / f".upload-{uuid4().hex}", shared / f".upload-{uuid4().hex}"
    old.touch()
    young.touch()
    os.utime(old, (1, 1))

    store(files, "", "a", b"x")

    assert everything(shared) == sorted([young.name, "a"])


def test_the_folder_of_an_upload_may_vanish(files: LocalFiles, shared: Path) -> None:
    files.make_folder("", "data")
    draft = files.draft("data", "a", max_bytes=10)

    files.remove("data")

    refused("NotFound", lambda: draft.commit(replace=False))
    assert everything(shared) == []


@pytest.mark.parametrize("extra", [0, 1])
def test_the_limit_of_one_file_is_exact(files: LocalFiles, shared: Path, extra: int) -> None:
    draft = files.draft("", "a", max_bytes=1000)
    draft.write(b"x" * 900)

    if extra:
        refused("TooLarge", lambda: draft.write(b"x" * 101))
        draft.discard()
    else:
        draft.write(b"x" * 100)
        draft.commit(replace=False)

    assert everything(shared) == ([] if extra else ["a"])


@pytest.mark.parametrize("extra", [0, 1])
def test_the_quota_is_exact(limited: LocalFiles, shared: Path, extra: int) -> None:
    (shared / "old").mkdir()
    (shared / "old" / "a").write_bytes(b"x" * (MIB - 1000))

    if extra:
        refused("Quota", lambda: store(limited, "", "b", b"x" * 1001))
    else:
        store(limited, "", "b", b"x" * 1000)

    assert (shared / "b").exists() is not bool(extra)
    assert limited.usage().room_bytes == (1000 if extra else 0)


def test_replacing_a_file_gives_back_its_bytes_to_the_quota(limited: LocalFiles) -> None:
    store(limited, "", "a", b"x" * MIB)

    store(limited, "", "a", b"y" * MIB, replace=True)

    assert content(limited, "a")[:1] == b"y"
    refused("Quota", lambda: store(limited, "", "b", b"1"))


def test_two_uploads_do_not_share_one_rest_of_the_quota(limited: LocalFiles) -> None:
    drafts = [limited.draft("", name, max_bytes=MIB) for name in "ab"]
    for draft in drafts:
        draft.write(b"x" * (MIB // 2 + 1))

    drafts[0].commit(replace=False)
    refused("Quota", lambda: drafts[1].commit(replace=False))

    assert names(limited) == ["a"]


def test_what_jobs_write_counts_for_the_quota(limited: LocalFiles, shared: Path) -> None:
    store(limited, "", "a", b"x" * 1000)
    (shared / "result").write_bytes(b"x" * 2 * MIB)

    sentence = refused("Quota", lambda: store(limited, "", "b", b"1"))

    assert "2.001 MiB of the quota of 1 MiB are used, and what jobs and notebooks" in sentence
    assert limited.usage().is_over_quota
    (shared / "result").unlink()
    store(limited, "", "b", b"1")
    assert not limited.usage().is_over_quota


def test_a_tree_too_large_to_count_at_once_has_its_last_measure(
    limited: LocalFiles, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workspaces.clouds.local.files.UPLOAD_COUNT_SECONDS", -1)
    (shared / "a").write_bytes(b"x" * (MIB - 10))
    assert not limited.measure(seconds=-1)
    assert not limited.usage(seconds=-1).is_complete

    began = time.time()
    assert limited.measure(seconds=60)
    store(limited, "", "b", b"x" * 4)
    (shared / "unseen").write_bytes(b"x" * MIB)

    usage = limited.usage(seconds=-1)
    assert (usage.used_bytes, usage.is_complete) == (MIB - 6, True)
    assert began <= usage.counted_at <= time.time()
    refused("Quota", lambda: store(limited, "", "c", b"x" * 7))
    limited.remove("b")
    store(limited, "", "c", b"x" * 7)
    store(limited, "", "c", b"x" * 9, replace=True)
    assert limited.usage(seconds=-1).used_bytes == MIB - 1


def test_an_old_count_is_told_with_its_age(
    limited: LocalFiles, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workspaces.clouds.local.files.UPLOAD_COUNT_SECONDS", -1)
    (shared / "a").write_bytes(b"x" * MIB)
    measure_write(shared.parent / "usage.json", Measure(MIB, time.time() - 200))

    assert "are used, counted 3 min ago," in refused("Quota", lambda: store(limited, "", "b", b"1"))


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"used_bytes": "x", "at": 1}', "\0"])
def test_a_measure_that_can_not_be_read_is_none(
    files: LocalFiles, shared: Path, content: str
) -> None:
    (shared.parent / "usage.json").write_text(content)

    assert not files.usage(seconds=-1).is_complete
    assert files.measure(seconds=60)
    assert files.usage(seconds=-1).is_complete


def test_a_full_disk_is_told_and_leaves_nothing(
    files: LocalFiles, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, data: object) -> int:
        raise OSError(28, "No space left on device")

    draft = files.draft("", "a", max_bytes=10)
    monkeypatch.setattr("workspaces.clouds.local.drafts.os.write", full)

    assert "full" in refused("NoSpace", lambda: draft.write(b"x"))
    draft.discard()

    assert everything(shared) == []


def test_usage_counts_files_and_not_what_links_lead_to(
    files: LocalFiles, shared: Path, tmp_path: Path
) -> None:
    (tmp_path / "big").write_bytes(b"x" * 5000)
    (shared / "way").symlink_to(tmp_path / "big")
    (shared / "d").mkdir()
    (shared / "d" / "a").write_bytes(b"x" * 300)

    usage = files.usage()

    assert (usage.used_bytes, usage.is_complete) == (300, True)
    assert usage.free_bytes > 0
    assert not files.usage(seconds=-1).is_complete


def test_a_very_deep_tree_is_counted_in_part_and_removed_as_a_whole(
    files: LocalFiles, shared: Path
) -> None:
    home = Path.cwd()
    (shared / "deep").mkdir()
    os.chdir(shared / "deep")
    try:
        for _ in range(1500):
            Path("d").mkdir()
            os.chdir("d")
    finally:
        os.chdir(home)

    assert not files.usage().is_complete
    files.remove("deep")

    assert everything(shared) == []


def test_two_who_delete_one_folder_both_get_an_answer(files: LocalFiles, shared: Path) -> None:
    codes: list[str] = []

    def remove() -> None:
        try:
            files.remove("big")
        except CloudError as error:
            codes.append(error.code)
        else:
            codes.append("")

    for _ in range(10):
        for number in range(60):
            (shared / "big" / str(number % 6)).mkdir(parents=True, exist_ok=True)
            (shared / "big" / str(number % 6) / str(number)).touch()
        threads = [threading.Thread(target=remove) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if (shared / "big").exists():
            files.remove("big")

    assert set(codes) <= {"", "NotFound", "Exists"}
    assert everything(shared) == []


def test_renaming_never_covers_anything(files: LocalFiles, shared: Path) -> None:
    (shared / "a").write_text("a")
    (shared / "b").write_text("b")
    (shared / "empty").mkdir()
    (shared / "folder").mkdir()

    for old, new in (("a", "b"), ("folder", "empty"), ("a", "empty"), ("folder", "a")):
        refused("Exists", lambda old=old, new=new: rename(files, old, new))
    rename(files, "a", "a")
    rename(files, "a", "c")

    assert everything(shared) == ["b", "c", "empty", "folder"]


def test_a_file_or_folder_moves_to_another_folder(files: LocalFiles, shared: Path) -> None:
    (shared / "a").write_text("a")
    (shared / "old" / "in").mkdir(parents=True)
    (shared / "old" / "in" / "b").write_text("b")
    (shared / "new").mkdir()

    assert files.move("a", "old/in", "c") == "old/in/c"
    assert files.move("old/in", "new", "in") == "new/in"
    assert files.move("new/in/c", "", "a") == "a"

    assert everything(shared) == ["a", "new", "new/in", "new/in/b", "old"]


def test_moving_covers_nothing_and_makes_no_loop(files: LocalFiles, shared: Path) -> None:
    (shared / "a").write_text("a")
    (shared / "d" / "a").mkdir(parents=True)
    before = everything(shared)

    for path, folder, code in (
        ("a", "d", "Exists"),
        ("d", "d", "BadFolder"),
        ("d", "d/a", "BadFolder"),
        ("a", "gone", "BadFolder"),
        ("d/a", "a", "BadFolder"),
        ("a", "..", "BadFolder"),
        ("gone", "d", "NotFound"),
        ("", "d", "Protected"),
    ):
        refused(code, lambda p=path, f=folder: files.move(p, f, p.rpartition("/")[2] or "x"))

    assert everything(shared) == before


def test_nothing_moves_through_a_link(files: LocalFiles, shared: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (shared / "a").write_text("a")
    (shared / "way").symlink_to(tmp_path / "outside")

    refused("BadFolder", lambda: files.move("a", "way", "a"))

    assert list((tmp_path / "outside").iterdir()) == []


def test_a_moved_file_keeps_a_name_that_nobody_can_type(files: LocalFiles, shared: Path) -> None:
    name = os.fsdecode(b"\xff\n")
    (shared / name).touch()
    (shared / "d").mkdir()

    files.move(name, "d", name)

    assert os.listdir(os.fsencode(shared / "d")) == [b"\xff\n"]  # noqa: PTH208 - as bytes


def test_a_file_has_a_version_once_it_is_settled(
    files: LocalFiles, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Users' code may set a file's date back, and write twice within one step of the clock."""

    def version() -> str:
        reader = files.open("a")
        reader.close()
        return reader.file.version

    (shared / "a").write_bytes(b"1")
    os.utime(shared / "a", (1000, 1000))
    fresh = version()
    monkeypatch.setattr("workspaces.clouds.local.files.SETTLED_SECONDS", 0)
    settled, again = version(), version()
    (shared / "a").write_bytes(b"2")
    os.utime(shared / "a", (1000, 1000))

    assert fresh == ""
    assert settled == again != version()


def test_large_files_pass_in_small_pieces(files: LocalFiles) -> None:
    """Flat memory."""
    size, piece = 96 * MIB, b"x" * 65536
    tracemalloc.start()

    draft = files.draft("", "big", max_bytes=size)
    for _ in range(size // len(piece)):
        draft.write(piece)
    draft.commit(replace=False)
    reader = files.open("big")
    count = sum(len(chunk) for chunk in reader)
    reader.close()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert count == size
    assert peak < 2 * MIB
