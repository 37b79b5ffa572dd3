"""The package index as this machine's administrator set it up: pip's configuration, also for uv.

No index is named here. uv does not read pip's configuration, so it is translated.
"""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

_PASSED_ON = re.compile(
    r"^(HOME|PATH|LANG|XDG_CONFIG_HOME|NETRC|SSL_CERT_\w+|(UV|PIP)_\w+|\w+_proxy)$", re.IGNORECASE
)
_FOR_PIP = re.compile(
    r"^(PIP_(CONFIG_FILE|INDEX_URL|EXTRA_INDEX_URL|FIND_LINKS|TRUSTED_HOST|CERT|(DEFAULT_)?TIMEOUT)"
    r"|NETRC|SSL_CERT_\w+|\w+_proxy)$",
    re.IGNORECASE,
)
_UV_NAMES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
}
_VERSION = re.compile(r"^\d+(\.\d+)+$")
_SECONDS = 60


def tool_environment() -> dict[str, str]:
    """What pip and uv may know of the platform's environment; never the platform's secrets."""
    return {name: value for name, value in os.environ.items() if _PASSED_ON.match(name)}


def uv_environment(cache: str) -> dict[str, str]:
    """May hold index credentials: give it to a process, not to a file."""
    ours = {
        "UV_CACHE_DIR": cache,
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_NO_PROGRESS": "1",
        # As pip does: all indexes count, not only the first that knows a package.
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }
    return {**translated(pip_settings()), **tool_environment(), **ours}


def pip_environment() -> dict[str, str]:
    """For pip where it runs under another home. May hold index credentials: give it to a process,
    not to a file.
    """
    ours = {name: value for name, value in os.environ.items() if _FOR_PIP.match(name)}
    found = [path for path in _user_files() if path.is_file()]
    return {"PIP_CONFIG_FILE": str(found[0]), **ours} if found else ours


def _user_files() -> list[Path]:
    """Where pip looks for a person's settings."""
    configuration = os.environ.get("XDG_CONFIG_HOME")
    folders = [Path(configuration)] if configuration else []
    home = Path.home()
    return [
        *(folder / "pip" / "pip.conf" for folder in [*folders, home / ".config"]),
        home / ".pip" / "pip.conf",
    ]


def pip_settings() -> dict[str, str]:
    """pip's effective settings; empty where there is no pip."""
    done = _pip("config", "list")
    return parse_settings(done.splitlines())


def parse_settings(lines: Iterable[str]) -> dict[str, str]:
    """From ``pip config list``: user over site, environment over both."""
    found: dict[str, str] = {}
    for line in sorted(lines, key=lambda line: line.startswith(":env:")):
        name, _, value = line.partition("=")
        try:
            found[name.rpartition(".")[2]] = str(ast.literal_eval(value))
        except (ValueError, SyntaxError):
            continue
    return found


def translated(settings: dict[str, str]) -> dict[str, str]:
    found = {_UV_NAMES[name]: value for name, value in settings.items() if name in _UV_NAMES}
    for name in ("UV_INDEX", "UV_FIND_LINKS", "UV_INSECURE_HOST"):
        if name in found:
            found[name] = (" " if name != "UV_FIND_LINKS" else ",").join(found[name].split())
    return found


def index_versions(package: str) -> list[str]:
    """Released versions, newest first; empty when the index does not answer."""
    return parse_versions(
        _pip("index", "versions", package, "--json") or _pip("index", "versions", package)
    )


def parse_versions(output: str) -> list[str]:
    """From ``pip index versions``, as JSON or as words; pre-releases are left out."""
    try:
        words = json.loads(output)["versions"]
    except (ValueError, KeyError, TypeError):
        listed = re.search(r"^Available versions:(.*)$", output, re.MULTILINE)
        words = listed.group(1).split(",") if listed else []
    found = {word.strip() for word in words if _VERSION.match(word.strip())}
    return sorted(found, key=version_key, reverse=True)


def version_key(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def base_python() -> str:
    """The interpreter below our own virtual environment."""
    return str(getattr(sys, "_base_executable", sys.executable))


def python_with_pip() -> str:
    """Our own environment may have been made without pip."""
    return sys.executable if find_spec("pip") else base_python()


def _pip(*words: str) -> str:
    try:
        done = subprocess.run(
            [python_with_pip(), "-m", "pip", "--disable-pip-version-check", *words],
            check=False,
            capture_output=True,
            text=True,
            env=tool_environment(),
            timeout=_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
