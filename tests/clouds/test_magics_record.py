"""What was installed with %ppip and %pconda, as it is put back."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.clouds import wheels
from workspaces.clouds.nodekit.kernel.bodo_magics import record, restore


def lines(path: Path) -> list[str]:
    return [install.line for install in record.read(path) or []]


@pytest.mark.parametrize(
    ("tool", "words", "line"),
    [
        ("pip", ["six"], "pip install six"),
        ("pip", ["-U", "Six>=1.0", "--pre"], "pip install -U 'Six>=1.0' --pre"),
        ("conda", ["-c", "conda-forge", "six"], "conda install -c conda-forge six"),
    ],
)
def test_installation_is_kept_as_it_was_asked_for(
    tmp_path: Path, tool: str, words: list[str], line: str
) -> None:
    path = tmp_path / "packages.json"

    assert record.add(path, tool, words)

    assert lines(path) == [line]


def test_same_package_again_replaces_its_line(tmp_path: Path) -> None:
    path = tmp_path / "packages.json"
    record.add(path, "pip", ["six==1.0", "attrs"])
    record.add(path, "pip", ["-i", "six", "idna"])

    record.add(path, "pip", ["SIX==2.0"])

    assert lines(path) == [
        "pip install attrs",
        "pip install -i six idna",
        "pip install SIX==2.0",
    ]


def test_removed_package_is_not_put_back(tmp_path: Path) -> None:
    path = tmp_path / "packages.json"
    wheel = wheels.build(tmp_path, "tiny_thing")
    record.add(path, "pip", [str(wheel)])
    record.add(path, "conda", ["tiny-thing"])

    record.drop(path, "pip", ["-y", "Tiny.Thing"])

    assert lines(path) == ["conda install tiny-thing"]


def test_files_are_kept_by_their_whole_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    wheel = wheels.build(tmp_path, "tiny_thing")
    Path("needs.txt").touch()
    path = tmp_path / "packages.json"

    record.add(path, "pip", [wheel.name, "--requirement=needs.txt", "-r", "needs.txt", "six"])

    needs = tmp_path / "needs.txt"
    assert lines(path) == [f"pip install {wheel} --requirement={needs} -r {needs} six"]


@pytest.mark.parametrize(
    "words",
    [
        ["--index-url", "https://ada:tok-12345@index.example/simple", "six"],
        ["--index-url=https://tok-12345@index.example/simple", "six"],
        ["git+https://tok-12345@git.example/six.git"],
    ],
)
def test_credentials_are_kept_nowhere(tmp_path: Path, words: list[str]) -> None:
    path = tmp_path / "packages.json"

    assert not record.add(path, "pip", words)

    assert not [file for file in tmp_path.iterdir() if "tok-12345" in file.read_text()]


@pytest.mark.parametrize("option", ["--dry-run", "--target=/x", "-t", "--prefix"])
def test_what_lands_elsewhere_is_not_put_back(tmp_path: Path, option: str) -> None:
    path = tmp_path / "packages.json"

    record.add(path, "pip", [option, "six"])

    assert record.read(path) is None


def test_removed_cluster_gets_no_record(tmp_path: Path) -> None:
    record.add(tmp_path / "gone" / "packages.json", "pip", ["six"])

    assert list(tmp_path.iterdir()) == []


def test_two_notebooks_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "packages.json"

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: record.add(path, "pip", [f"package{n}"]), range(40)))

    assert sorted(lines(path)) == sorted(f"pip install package{n}" for n in range(40))


def test_restore_knows_what_it_did_not_reach(tmp_path: Path) -> None:
    """It was ended after its first line; the next start goes on with the rest."""
    path = tmp_path / "packages.json"
    asked = ["pip install six", "pip install idna"]
    path.write_text(json.dumps([{"line": asked[0]}, {"line": asked[1], "problem": "offline"}]))
    tried: list[str] = []

    def put_back(install: record.Install, seconds: float) -> str:
        tried.append(install.line)
        return ""

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(restore, "put_back", put_back)
        restore.main(path, ["pip install never"])

    assert tried == [asked[1]]
    assert [install.problem for install in record.read(path) or []] == ["", ""]


def test_restore_of_fresh_nodes_begins_with_all_lines_unfinished(tmp_path: Path) -> None:
    path = tmp_path / "packages.json"
    seen: list[list[str]] = []

    def put_back(install: record.Install, seconds: float) -> str:
        seen.append([known.problem for known in record.read(path) or []])
        return ""

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(restore, "put_back", put_back)
        restore.main(path, ["pip install six", "pip install idna"])

    assert seen == [[restore.NOT_YET, restore.NOT_YET], ["", restore.NOT_YET]]


def test_what_can_not_be_tried_is_a_problem_and_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert "no time" in restore.put_back(record.Install("pip install six"), 0)
    assert "no conda" in restore.put_back(record.Install("conda install six"), 9)
