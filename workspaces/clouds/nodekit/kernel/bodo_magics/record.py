"""What was installed on a cluster with ``%ppip`` and ``%pconda``, so that it can be put back.

One JSON file per cluster, a list of ``{"line": "pip install -U six", "problem": ""}``, oldest
first; ``problem`` says why a line could not be put back. Written whole and under a lock: two
notebooks may install at once. Read by the cloud driver too: standard library only.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

_CREDENTIALS = re.compile(r"://[^/\s]*@")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_ARCHIVES = (".whl", ".tar.gz", ".zip", ".tar.bz2")
# Options that are followed by a value, which is no package.
_WITH_VALUE = {
    "pip": re.compile(
        r"^(-[rcetifC]|--(requirement|(build-)?constraint|editable|target|(extra-)?index-url"
        r"|find-links|config-settings|platform|python(-version)?|implementation|abi|root|prefix"
        r"|src|upgrade-strategy|global-option|no-binary|only-binary|progress-bar"
        r"|root-user-action|report|proxy|retries|timeout|exists-action|trusted-host|cert"
        r"|client-cert|cache-dir|log|use-feature|use-deprecated|keyring-provider|group))$"
    ),
    "conda": re.compile(
        r"^(-[cnp]|--(channel|name|prefix|file|revision|solver|repodata-fn|subdir|platform))$"
    ),
}
# With these, nothing lands in the cluster's own environment.
_ELSEWHERE = re.compile(r"^(-[tpnd]|--(dry-run|download-only|target|root|prefix|name|python))(=|$)")
# Their value is a file or a folder.
_OF_FILE = {
    "pip": re.compile(r"^(-[rce]|--(requirement|constraint|editable))$"),
    "conda": re.compile(r"^--file$"),
}


@dataclass(frozen=True)
class Install:
    line: str
    problem: str = ""

    @property
    def tool(self) -> str:
        return self.line.partition(" ")[0]

    @property
    def words(self) -> list[str]:
        """What came after "install"."""
        return shlex.split(self.line)[2:]

    @property
    def names(self) -> list[str]:
        """How a person calls what it installs."""
        return list(packages(self.tool, self.words).values()) or [self.line]


def read(path: Path) -> list[Install] | None:
    """None where nothing was ever written."""
    try:
        return [Install(**entry) for entry in json.loads(path.read_text())]
    except (FileNotFoundError, NotADirectoryError):
        return None


def write(path: Path, installs: Sequence[Install]) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps([asdict(install) for install in installs], indent=1))
    draft.replace(path)


def add(path: Path, tool: str, words: Sequence[str]) -> bool:
    """Note an installation that worked; False when it holds a credential, which is kept nowhere."""
    if any(_CREDENTIALS.search(word) for word in words):
        return False
    if any(_ELSEWHERE.match(word) for word in words):
        return True
    line = shlex.join([tool, "install", *_absolute(tool, words)])
    named = packages(tool, words)
    _change(path, lambda known: [*_without(known, tool, named, line), Install(line)])
    return True


def drop(path: Path, tool: str, words: Sequence[str]) -> None:
    """Note a removal: what was removed by its name is not put back."""
    named = packages(tool, words)
    _change(path, lambda known: _without(known, tool, named, ""))


def packages(tool: str, words: Sequence[str]) -> dict[str, str]:
    """{name as the index knows it: the word that asked for it}"""
    found: dict[str, str] = {}
    is_value = False
    for word in words:
        if not is_value and not word.startswith("-"):
            name = _name(word)
            if name:
                found[name] = word
        is_value = not is_value and bool(_WITH_VALUE[tool].match(word))
    return found


def _name(word: str) -> str:
    """Of a requirement, a distribution's file or a channel's package ("conda-forge::six")."""
    word = word.rpartition("::")[2]
    if word.endswith(_ARCHIVES):
        word = Path(word).name.partition("-")[0]
    told = _NAME.match(word)
    return re.sub(r"[-_.]+", "-", told.group()).lower() if told else ""


def _without(
    known: Sequence[Install], tool: str, named: dict[str, str], line: str
) -> list[Install]:
    """What is asked for anew, or was removed, is not asked for twice."""
    left = []
    for install in known:
        old = packages(tool, install.words) if install.tool == tool else {}
        gone = {word for name, word in old.items() if name in named}
        if install.line == line or (gone and len(gone) == len(old) and not _has_list(install)):
            continue
        words = [word for word in install.words if word not in gone]
        kept = shlex.join([install.tool, "install", *words]) if gone else install.line
        left.append(Install(kept, install.problem))
    return left


def _has_list(install: Install) -> bool:
    """It installs what a file names, or a folder."""
    return any(_OF_FILE[install.tool].match(word.partition("=")[0]) for word in install.words)


def _absolute(tool: str, words: Sequence[str]) -> list[str]:
    """Files by their whole path: it is put back from another folder."""
    found = []
    is_file = False
    for word in words:
        option, _, value = word.partition("=")
        if is_file or word.startswith(".") or word.endswith(_ARCHIVES):
            word = _whole(word)
        elif value and _OF_FILE[tool].match(option):
            word = f"{option}={_whole(value)}"
        found.append(word)
        is_file = bool(_OF_FILE[tool].match(word))
    return found


def _whole(path: str) -> str:
    return str(Path(path).absolute()) if "://" not in path and Path(path).exists() else path


def _change(path: Path, act: Callable[[list[Install]], list[Install]]) -> None:
    if not path.parent.is_dir():  # the cluster was removed while it installed
        return
    with locked(path):
        write(path, act(read(path) or []))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    fd = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
