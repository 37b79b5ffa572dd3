from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.git_server import GitServer
from workspaces.clouds.nodekit import checkout

PATH = {"PATH": "/usr/local/bin:/usr/bin:/bin", "SOURCE_PRIVATE_ADDRESSES": "1"}


@pytest.fixture(scope="module")
def server() -> Iterator[GitServer]:
    with GitServer() as running:
        yield running


def run(
    folder: Path, *source: str, script: str = "", **credentials: str
) -> tuple[subprocess.CompletedProcess[str], str]:
    """The finished program and the commit that it wrote down."""
    (folder / "work").mkdir()
    facts = folder / "facts.json"
    words = [str(folder / "work"), str(facts), script, *source]
    done = subprocess.run(
        [sys.executable, "-I", "-S", checkout.__file__, *words],
        check=False,
        capture_output=True,
        text=True,
        env={**PATH, **credentials},
    )
    return done, json.loads(facts.read_text())["commit"] if facts.exists() else ""


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize("reference", ["", "main", "side"])
def test_default_branch_and_named_branches(
    server: GitServer, tmp_path: Path, reference: str
) -> None:
    wanted = server.commit("branches", {"ex.py": "1"})
    if reference == "side":
        wanted = server.commit("branches", {"ex.py": "2"}, branch="side")

    done, commit = run(tmp_path, server.url("branches"), reference, script="ex.py")

    assert (done.returncode, commit) == (0, wanted)
    assert last_line(done) == f"Checked out {wanted}"


def test_an_older_commit(server: GitServer, tmp_path: Path) -> None:
    wanted = server.commit("history", {"ex.py": "old"})
    server.commit("history", {"ex.py": "new"})

    _, commit = run(tmp_path, server.url("history"), wanted)

    assert commit == wanted
    assert (tmp_path / "work" / "ex.py").read_text() == "old"


def test_unknown_reference(server: GitServer, tmp_path: Path) -> None:
    server.commit("demo", {"ex.py": "1"})

    done, _ = run(tmp_path, server.url("demo"), "nowhere")

    assert done.returncode == checkout.BAD_REFERENCE
    assert "'nowhere' does not exist" in last_line(done)


@pytest.mark.parametrize("reference", ["--upload-pack=touch x", "+main", "main:other", "a b"])
def test_reference_that_git_could_misread(
    server: GitServer, tmp_path: Path, reference: str
) -> None:
    done, _ = run(tmp_path, server.url("demo"), reference)

    assert done.returncode == checkout.BAD_REFERENCE
    assert server.url("demo") not in done.stdout


def test_unknown_repository(server: GitServer, tmp_path: Path) -> None:
    done, _ = run(tmp_path, server.url("no-such"), "")

    assert done.returncode == checkout.NOT_FOUND
    assert "Check the address" in last_line(done)


@pytest.mark.parametrize("url", ["/etc", "file:///etc", "ext::sh -c id", "ssh://h/x", "--help"])
def test_only_http_is_fetched(tmp_path: Path, url: str) -> None:
    done, _ = run(tmp_path, url, "")

    assert done.returncode == checkout.NOT_FOUND
    assert not (tmp_path / "work" / ".git").exists()


def test_missing_script(server: GitServer, tmp_path: Path) -> None:
    server.commit("demo", {"ex.py": "1"})

    done, _ = run(tmp_path, server.url("demo"), "", script="typo.py")

    assert done.returncode == checkout.NO_SCRIPT
    assert "'typo.py'" in last_line(done)


def test_an_option_of_python_is_no_script(tmp_path: Path) -> None:
    done, _ = run(tmp_path, script="-m")

    assert done.returncode == 0


def test_credentials_are_used_and_kept_nowhere(tmp_path: Path) -> None:
    with GitServer(username="ada", password="token-123") as private:
        private.commit("demo", {"ex.py": "1"})
        done, commit = run(
            tmp_path,
            private.url("demo"),
            "",
            SOURCE_USERNAME="ada",
            SOURCE_PASSWORD="token-123",
        )

    assert commit
    assert "token-123" not in done.stdout
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in files if b"token-123" in path.read_bytes()]


@pytest.mark.parametrize("password", ["", "wrong"])
def test_missing_or_wrong_credentials(tmp_path: Path, password: str) -> None:
    with GitServer(username="ada", password="token-123") as private:
        private.commit("demo", {"ex.py": "1"})
        done, _ = run(tmp_path, private.url("demo"), "", SOURCE_PASSWORD=password)

    assert done.returncode == checkout.AUTH
    assert "other credentials" in last_line(done)
