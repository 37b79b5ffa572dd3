"""The documented lines, typed in a terminal of a notebook server whose nodes are this machine's:

    mpiexec -n <N> -f /shared/.hostfile-<CLUSTER-UUID> <command>
    ssh -i ~/cluster_ssh_keys/id_rsa-<CLUSTER-UUID> <IP> [command]

``documented.py mpiexec|ssh <words>``. Whatever is not such a line goes to the machine's own program
of that name. Standard library only, Python 3.9 or newer.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import shutil
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
HOSTFILE = re.compile(rf"\.hostfile-({UUID})$")
KEY = re.compile(rf"/id_rsa-({UUID})$")
HOSTFILE_OPTIONS = ("-f", "-hostfile", "--hostfile", "-machinefile", "--machinefile")
SSH_OPTIONS_WITH_VALUE = "BbcDEeFIiJLlmOopQRSWw"
SHARED = "/shared"
HERE = str(Path(__file__).parent)
# What of a terminal's environment a node knows too.
PASSED_ON = re.compile(
    r"^(TERM|COLORTERM|LANG|LC_\w+|USER|LOGNAME|BODO_(RUN|NOTEBOOK|WORKSPACE|STATE|SHARED))$"
)


@dataclass(frozen=True)
class Cluster:
    uuid: str
    folder: Path

    @property
    def activate(self) -> str:
        return str(self.folder / "env" / "bin" / "activate")

    @property
    def addresses(self) -> list[str]:
        nodes = json.loads((self.folder / "nodes.json").read_text())["nodes"]
        return [node["address"] for node in nodes]


def main(program: str, words: list[str]) -> NoReturn:
    if program == "mpiexec":
        mpiexec(words)
    ssh(words)


def mpiexec(words: list[str]) -> NoReturn:
    pairs = zip(words, words[1:])  # noqa: RUF007 - Python 3.9
    values = [value for option, value in pairs if option in HOSTFILE_OPTIONS]
    named = next((found for value in values if (found := HOSTFILE.search(value))), None)
    if named is None:
        hint = "Name a cluster by its hostfile: mpiexec -n 2 -f /shared/.hostfile-<CLUSTER-UUID>"
        run_own("mpiexec", words, f"This server has no MPI of its own. {hint} ...")
    cluster = find("mpiexec", named.group(1))
    script = '. "$0" && exec "$@"'
    command = [shared_path(word) for word in ["mpiexec", *words]]
    environment = {**os.environ, "BODO_CLUSTER": cluster.uuid}
    os.execve("/bin/sh", ["sh", "-c", script, cluster.activate, *command], environment)  # noqa: S606 - in our place


def ssh(words: list[str]) -> NoReturn:
    identity, address, command = parse_ssh(words)
    named = KEY.search(identity)
    if named is None:
        run_own("ssh", words, "This machine has no ssh, which only an address elsewhere needs.")
    cluster = find("ssh", named.group(1))
    if address not in cluster.addresses:
        known = ", ".join(cluster.addresses)
        fail("ssh", f"{address or 'Nothing'} is no node of this cluster; its nodes are {known}.")
    check_key(Path(identity), cluster)
    enter(cluster, address, command)


def parse_ssh(words: list[str]) -> tuple[str, str, list[str]]:
    """(key file, host without the user's name, command), as ssh reads its words."""
    identity, rest = "", iter(words)
    for word in rest:
        if not word.startswith("-") or word == "-":
            return identity, word.rpartition("@")[2], list(rest)
        identity = option_value(word, "i", rest) or identity
    return identity, "", []


def option_value(word: str, wanted: str, rest: Iterator[str]) -> str:
    """Of one word of options ("-ti", "-i/key"); takes the next word where that is the value."""
    for place, letter in enumerate(word[1:], 1):
        if letter in SSH_OPTIONS_WITH_VALUE:
            value = word[place + 1 :] or next(rest, "")
            return value if letter == wanted else ""
    return ""


def find(program: str, uuid: str) -> Cluster:
    """A cluster of this server's workspace that is meant to run."""
    folder = Path(os.environ["BODO_STATE"], "clusters", uuid)
    try:
        told = json.loads((folder / "cluster.json").read_text())
    except OSError:
        told = {}
    if told.get("workspace") != os.environ["BODO_WORKSPACE"] or told["is_removing"]:
        fail(program, f"There is no cluster {uuid} in this workspace.")
    if told["is_stopped"]:
        fail(program, "This cluster is paused. Resume it on its page, then try again.")
    return Cluster(uuid, folder)


def check_key(path: Path, cluster: Cluster) -> None:
    try:
        mode, public = path.stat().st_mode, public_part(path.read_text())
    except (OSError, ValueError):
        fail("ssh", f"{path} is no key. Attach a notebook to the cluster to get one.")
    if stat.S_IMODE(mode) & 0o077:
        fail(
            "ssh",
            f"Others can read {path}. Take that from them: chmod 600 {shlex.quote(str(path))}",
        )
    try:
        lines = (cluster.folder / "authorized_keys").read_text().splitlines()
    except FileNotFoundError:
        lines = []
    if public not in [line.split()[1] for line in lines]:
        fail("ssh", "Permission denied (publickey): this key is not the one of the cluster.")


def public_part(text: str) -> str:
    """Of an OpenSSH private key, where it stands unencrypted; as it is in authorized_keys."""
    lines = text.strip().splitlines()
    if lines[0] != "-----BEGIN OPENSSH PRIVATE KEY-----":
        raise ValueError("not an OpenSSH private key")
    rest = base64.b64decode("".join(lines[1:-1])).removeprefix(b"openssh-key-v1\0")
    for _ in range(3):  # cipher, the way to its key, options of that
        _, rest = cut(rest)
    return base64.b64encode(cut(rest[4:])[0]).decode()  # after the number of keys


def cut(data: bytes) -> tuple[bytes, bytes]:
    """(the field that begins here, what follows it)."""
    end = 4 + int.from_bytes(data[:4], "big")
    return data[4:end], data[end:]


def enter(cluster: Cluster, address: str, command: list[str]) -> NoReturn:
    """A shell under the node's host name, in its environment and in the shared tree."""
    shared = os.environ["BODO_SHARED"]
    shell = shutil.which("bash") or "/bin/sh"
    words = [shell, "-c", " ".join(command)] if command else [shell, "-i"]
    script = '. "$0"; PATH="$1:$PATH"; cd "$2" || exit 1; shift 2; exec "$@"'
    start = ["/bin/sh", "-c", script, cluster.activate, HERE, shared, *words]
    environment = {
        **{name: value for name, value in os.environ.items() if PASSED_ON.match(name)},
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": shared,
        "SHELL": shell,
        "TMPDIR": str(cluster.folder / "tmp"),
        "BODO_CLUSTER": cluster.uuid,
        "BODO_SESSION": "ssh",  # by this it is seen that somebody is on the node
    }
    launcher = str(cluster.folder / "launcher")
    os.execve(launcher, [launcher, "-x", address, shlex.join(start)], environment)  # noqa: S606 - in our place


def shared_path(word: str) -> str:
    """Where the documents' /shared lies, if not there."""
    is_inside = word == SHARED or word.startswith(f"{SHARED}/")
    if not is_inside or Path(SHARED).exists():
        return word
    return os.environ["BODO_SHARED"] + word[len(SHARED) :]


def run_own(program: str, words: list[str], otherwise: str) -> NoReturn:
    """The next program of that name on the PATH."""
    folders = [f for f in os.environ.get("PATH", "").split(":") if f and Path(f) != Path(HERE)]
    found = shutil.which(program, path=":".join(folders))
    if found is None:
        fail(program, otherwise, code=127)
    os.execv(found, [program, *words])  # noqa: S606 - in our place


def fail(program: str, sentence: str, *, code: int = 0) -> NoReturn:
    """ssh ends with 255 when it could not connect."""
    sys.stderr.write(f"{program}: {sentence}\n")
    raise SystemExit(code or (255 if program == "ssh" else 1))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
