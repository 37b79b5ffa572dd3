"""Fetch a job's source into a folder, or find it there, and look for its script.

``python -I -S checkout.py <folder> <facts file> <script or ""> [<url> <reference>]``
``python -I -S checkout.py <folder> <facts file> <script or ""> --files <tree>``

Credentials come in the environment (SOURCE_USERNAME, SOURCE_PASSWORD) and go to git as
environment too, so they stand in no argument list, no URL and no file. The last line printed is
the sentence for the user; the exit code says what kind of failure it is.

The host of the URL is resolved once, here: git connects to the addresses that were looked at and
to no other. Those of this machine and of private networks are refused unless
SOURCE_PRIVATE_ADDRESSES is 1, those where clouds tell machines their secrets always.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import NoReturn, Union
from urllib.parse import urlsplit

NOT_FOUND, AUTH, BAD_REFERENCE, NO_SCRIPT, NO_SPACE = 20, 21, 22, 23, 24
REASONS = {
    str(NOT_FOUND): "SourceNotFound",
    str(AUTH): "SourceAuth",
    str(BAD_REFERENCE): "BadReference",
    str(NO_SCRIPT): "NoSuchScript",
    str(NO_SPACE): "NoSpace",
}
_SECONDS = 600
_REFERENCE = re.compile(r"^[A-Za-z0-9_./][^\s~^:?*\[\\\x00-\x1f]*$")
_AUTH_SIGNS = ("authentication failed", "could not read username", "error: 401", "error: 403")
_SPACE_SIGNS = ("no space left on device", "disk quota exceeded")
_REFERENCE_SIGNS = ("couldn't find remote ref", "not our ref", "unadvertised object")
_PASSED_ON = re.compile(r"^(PATH|SSL_CERT_\w+|GIT_SSL_CAINFO|\w+_proxy)$", re.IGNORECASE)
_REDIRECT = re.compile(r"error: 30[12378]")

# So strict that git's reading of an address and ours can not differ.
_ADDRESS = re.compile(
    r"https?://(?P<host>[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(:\d{1,5})?(/[^\s\\]*)?",
    re.IGNORECASE,
)
_ALWAYS_REFUSED = [
    ipaddress.ip_network(text)
    for text in (
        *("169.254.0.0/16", "fe80::/10", "0.0.0.0/8", "::/128", "224.0.0.0/4", "ff00::/8"),
        # Where clouds answer their machines outside of the link-local range.
        *("100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32"),
        *("fd00:ec2::254/128", "fd20:ce::254/128"),
    )
]
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE = ipaddress.ip_network("::/96")
IPAddress = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]  # noqa: UP007 - Python 3.9


def say(sentence: str) -> None:
    sys.stdout.write(sentence + "\n")
    sys.stdout.flush()


def end(code: int, sentence: str) -> NoReturn:
    say(sentence)
    raise SystemExit(code)


def git(folder: str, *words: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Only what is given here reaches git: no system or user configuration, no hooks."""
    options = [
        *("-c", "core.hooksPath=/dev/null"),
        *("-c", "credential.helper="),
        *("-c", "http.lowSpeedLimit=1000"),
        *("-c", "http.lowSpeedTime=30"),
        *("-c", "http.followRedirects=false"),
        *("-c", "init.defaultBranch=main"),
    ]
    return subprocess.run(
        ["git", "-C", folder, *options, *words],  # noqa: S607 - PATH is the platform's own
        check=False,
        capture_output=True,
        text=True,
        errors="replace",
        env=env,
        timeout=_SECONDS,
    )


def faces(address: IPAddress) -> list[IPAddress]:
    """The address, and the IPv4 one that it may stand for."""
    found: list[IPAddress] = [address]
    if isinstance(address, ipaddress.IPv6Address):
        teredo = address.teredo[1] if address.teredo else None
        found += [inner for inner in (address.ipv4_mapped, address.sixtofour, teredo) if inner]
        if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
            found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return found


def refusal(address: IPAddress, *, is_private_allowed: bool) -> str:
    """Why nothing is fetched from there; empty when it may be."""
    for face in faces(address):
        if any(face in network for network in _ALWAYS_REFUSED):
            return "an address that nothing is fetched from"
        is_wrapper = face is address and len(faces(address)) > 1
        if not (face.is_global or is_private_allowed or is_wrapper):
            return "an address of this machine or of a private network, which the operator forbids"
    return ""


def has_port(url: str) -> bool:
    """One that can be, or none."""
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def port_of(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or {"http": 80, "https": 443}[parts.scheme]


def addresses(url: str) -> list[str]:
    """Of the URL's host, all of them allowed; empty when a proxy must find the host."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        told = socket.getaddrinfo(host, port_of(url), type=socket.SOCK_STREAM)
    except OSError:
        if is_behind_proxy(parts.scheme):
            return []
        end(NOT_FOUND, f"The host {host} of {url} was not found. Check the address.")
    found = list(dict.fromkeys(str(entry[4][0]) for entry in told))
    is_private_allowed = os.environ.get("SOURCE_PRIVATE_ADDRESSES") == "1"
    for text in found:
        address = ipaddress.ip_address(text.partition("%")[0])
        if why := refusal(address, is_private_allowed=is_private_allowed):
            end(NOT_FOUND, f"{host} is at {text}, {why}. Use another Git host.")
    return found


def is_behind_proxy(scheme: str) -> bool:
    names = {f"{scheme}_proxy", "all_proxy"}
    return any(value and name.lower() in names for name, value in os.environ.items())


def git_environment(url: str, pinned: list[str]) -> dict[str, str]:
    """``pinned``: the addresses that the URL's host has for git, whatever it is told later."""
    env = {name: value for name, value in os.environ.items() if _PASSED_ON.match(name)}
    env |= {
        "LC_ALL": "C",
        "HOME": "/nonexistent",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ALLOW_PROTOCOL": "http:https",
    }
    parts = urlsplit(url)
    options: dict[str, str] = {}
    if pinned:
        words = ",".join(f"[{address}]" if ":" in address else address for address in pinned)
        options["http.curloptResolve"] = f"{parts.hostname}:{port_of(url)}:{words}"
    username, password = (os.environ.get(f"SOURCE_{name}", "") for name in ("USERNAME", "PASSWORD"))
    if username or password:
        token = base64.b64encode(f"{username or 'git'}:{password}".encode()).decode()
        key = f"http.{parts.scheme}://{parts.netloc}/.extraHeader"
        options[key] = f"Authorization: Basic {token}"
    env["GIT_CONFIG_COUNT"] = str(len(options))
    for number, (key, value) in enumerate(options.items()):
        env |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return env


def fetch(folder: str, url: str, reference: str) -> str:
    """Answers the commit that was checked out."""
    if urlsplit(url).scheme not in ("http", "https"):
        end(NOT_FOUND, "Only http and https addresses can be fetched. Enter the https address.")
    if not _ADDRESS.fullmatch(url) or not has_port(url):
        end(NOT_FOUND, f"{url} is no address that can be fetched. Check its host name.")
    if reference and not _REFERENCE.match(reference):
        end(BAD_REFERENCE, f"{reference!r} is not the name of a branch, a tag or a commit.")
    say(f"Cloning {url}{f' at {reference}' if reference else ''}")
    env = git_environment(url, addresses(url))
    made = git(folder, "init", "-q", env=env)
    end_if_full(made.stderr)
    words = ("fetch", "-q", "--depth", "1", "--no-tags", "--")
    done = git(folder, *words, url, reference or "HEAD", env=env)
    if done.returncode and _REDIRECT.search(done.stderr) and not url.endswith(".git"):
        # Some hosts answer only at the address with .git and redirect there.
        done = git(folder, *words, url.rstrip("/") + ".git", reference or "HEAD", env=env)
    if done.returncode:
        explain(url, reference, done.stderr)
    out = git(folder, "checkout", "-q", "--detach", "FETCH_HEAD", env=env)
    if out.returncode:
        end_if_full(out.stderr)
        end(NOT_FOUND, f"The source could not be checked out: {out.stderr.strip()[-500:]}")
    return git(folder, "rev-parse", "HEAD", env=env).stdout.strip()


def find(folder: str, script: str, tree: str) -> None:
    """Folder and script lie in the tree, wherever links lead."""
    top, real = Path(tree).resolve(), Path(folder).resolve()
    name = os.path.relpath(folder, tree)
    if not real.is_relative_to(top) or not real.is_dir():
        end(NOT_FOUND, f"There is no folder {name!r} among the workspace's files.")
    if script and not (real / script).resolve().is_relative_to(top):
        end(NO_SCRIPT, f"The script {script!r} is not among the workspace's files.")
    say(f"Using the workspace's files in {'/shared' if real == top else f'/shared/{name}'}")


def end_if_full(stderr: str) -> None:
    if any(sign in stderr.lower() for sign in _SPACE_SIGNS):
        end(NO_SPACE, "The disk is full: there is no room for the source.")


def explain(url: str, reference: str, stderr: str) -> NoReturn:
    end_if_full(stderr)
    words = stderr.lower()
    if any(sign in words for sign in _REFERENCE_SIGNS):
        what = f"The reference {reference!r}" if reference else "The default branch"
        end(
            BAD_REFERENCE,
            f"{what} does not exist in {url}. Enter a branch, a tag or a full commit of 40 digits.",
        )
    if any(sign in words for sign in _AUTH_SIGNS):
        end(
            AUTH,
            f"{url} does not exist or needs other credentials. "
            "Check the address, the username and the password or token.",
        )
    say(stderr.strip()[-1000:])
    end(NOT_FOUND, f"{url} could not be fetched. Check the address and that it is reachable.")


def main() -> None:
    folder, facts, script, *source = sys.argv[1:]
    is_option = script.startswith("-")  # of python: -m, -c
    if source[:1] == ["--files"]:
        find(folder, "" if is_option else script, source[1])
    elif source:
        commit = fetch(folder, *source)
        try:
            Path(facts).write_text(json.dumps({"commit": commit}))
        except OSError as error:
            end_if_full(os.strerror(error.errno or 0))
            raise
        say(f"Checked out {commit}")
    if script and not is_option and not Path(folder, script).is_file():
        end(NO_SCRIPT, f"There is no file {script!r} in the source. Check the command.")


if __name__ == "__main__":
    main()
