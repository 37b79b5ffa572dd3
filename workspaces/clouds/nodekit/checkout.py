"""Fetch a job's source into a folder, or find it there, and look for its script.

``python -I -S checkout.py <folder> <facts file> <script or ""> [<url> <reference>]``
``python -I -S checkout.py <folder> <facts file> <script or ""> --files <tree>``

Credentials come in the environment (SOURCE_USERNAME, SOURCE_PASSWORD) and go to git as
environment too, so they stand in no argument list, no URL and no file. The last line printed is
the sentence for the user; the exit code says what kind of failure it is.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NoReturn
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


def git_environment(url: str) -> dict[str, str]:
    env = {name: value for name, value in os.environ.items() if _PASSED_ON.match(name)}
    env |= {
        "LC_ALL": "C",
        "HOME": "/nonexistent",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ALLOW_PROTOCOL": "http:https",
    }
    username, password = (os.environ.get(f"SOURCE_{name}", "") for name in ("USERNAME", "PASSWORD"))
    if username or password:
        parts = urlsplit(url)
        token = base64.b64encode(f"{username or 'git'}:{password}".encode()).decode()
        env["GIT_CONFIG_COUNT"] = "1"
        env["GIT_CONFIG_KEY_0"] = f"http.{parts.scheme}://{parts.netloc}/.extraHeader"
        env["GIT_CONFIG_VALUE_0"] = f"Authorization: Basic {token}"
    return env


def fetch(folder: str, url: str, reference: str) -> str:
    """Answers the commit that was checked out."""
    if urlsplit(url).scheme not in ("http", "https"):
        end(NOT_FOUND, "Only http and https addresses can be fetched. Enter the https address.")
    if reference and not _REFERENCE.match(reference):
        end(BAD_REFERENCE, f"{reference!r} is not the name of a branch, a tag or a commit.")
    say(f"Cloning {url}{f' at {reference}' if reference else ''}")
    env = git_environment(url)
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
