"""``%ppip`` and ``%pconda``: the cluster's packages, kept in a record for fresh starts."""

from __future__ import annotations

import importlib
import shlex
import site
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from . import record
from .cluster import Cluster, Refusal
from .nodes import Run, counted, on_every_node, once

# Runs on the engines too: what was installed can be imported without a new start.
FIND_NEW = (
    "import importlib, site, sysconfig\n"
    "site.addsitedir(sysconfig.get_paths()['purelib'])\n"
    "importlib.invalidate_caches()\n"
    "del importlib, site, sysconfig"
)
NO_CONDA = 127
_CHANGING = ("install", "uninstall", "remove", "update", "upgrade", "create")


def split(line: str, magic: str) -> list[str]:
    """As a shell would."""
    try:
        return shlex.split(line)
    except ValueError as problem:
        raise Refusal(
            f"{magic} does not understand this line: {problem}. Close the quotes."
        ) from None


def run_pip(cluster: Cluster, line: str) -> bool:
    """True when packages came or went."""
    words = split(line, "%ppip")
    verb = words[0] if words else ""
    if verb == "remove":  # as conda calls it
        verb = words[0] = "uninstall"
    if verb == "uninstall" and not {"-y", "--yes"} & set(words):
        words.append("-y")  # nobody can answer a question there
    environment = ["env", "PIP_NO_INPUT=1", "PIP_DISABLE_PIP_VERSION_CHECK=1"]
    runs = _run(cluster, [*environment, sys.executable, "-m", "pip", *words])
    return _keep(cluster, "pip", verb, words[1:], runs)


def run_conda(cluster: Cluster, line: str) -> bool:
    """True when packages came or went."""
    words = split(line, "%pconda")
    verb = words[0] if words else ""
    if verb in _CHANGING and not {"-y", "--yes"} & set(words):
        words.append("--yes")
    if not Path(sys.prefix, "conda-meta").is_dir():
        raise _no_conda(cluster)
    found = 'command -v conda >/dev/null || exit 127; exec conda "$@"'
    runs = _run(cluster, ["sh", "-c", found, "conda", *words])
    if all(run.exit_code == NO_CONDA and not run.text for run in runs):
        raise _no_conda(cluster)
    return _keep(cluster, "conda", verb, words[1:], runs)


def _no_conda(cluster: Cluster) -> Refusal:
    return Refusal(
        f"There is no conda in the environment of {cluster.name}. Use %ppip in its place, for "
        "example: %ppip install <PACKAGE_NAME>"
    )


def _run(cluster: Cluster, argv: Sequence[str]) -> list[Run]:
    if not cluster.shares_environment:
        return on_every_node(cluster, argv)
    run = once(cluster, argv)
    count = len(cluster.started_nodes().nodes)
    told = f"exit code {run.exit_code}; " if run.exit_code else ""
    sys.stdout.write(
        f"{counted(count, 'node')}: {told}{'it shares' if count == 1 else 'they share'} one "
        "environment, so this ran once.\n"
    )
    return [run]


def _keep(
    cluster: Cluster, tool: str, verb: str, words: Sequence[str], runs: Sequence[Run]
) -> bool:
    if any(run.exit_code for run in runs):
        return False
    asked = [word for word in words if word not in ("-y", "--yes")]
    if verb == "install" and not record.add(cluster.packages_file, tool, asked):
        sys.stdout.write(
            f"This is not put back when {cluster.name} starts afresh, because the address holds "
            "credentials, which are kept nowhere. Install it again then.\n"
        )
    elif verb in ("uninstall", "remove"):
        record.drop(cluster.packages_file, tool, asked)
    return verb in _CHANGING


def find_new_here() -> None:
    """What was installed can be imported in this kernel."""
    site.addsitedir(sysconfig.get_paths()["purelib"])
    importlib.invalidate_caches()
