"""Where a command's program comes from: the stage that fetches it, and the secrets that needs."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from workspaces.clouds.commands import CommandSpec, GitSource
from workspaces.clouds.local.environment import NODEKIT, Runtime
from workspaces.clouds.local.shim.state import Stage
from workspaces.clouds.nodekit.checkout import REASONS

_NETWORK = re.compile(r"^(SSL_CERT_\w+|GIT_SSL_CAINFO|\w+_proxy)$", re.IGNORECASE)


def working_folder(spec: CommandSpec, folder: Path, shared: Path) -> Path:
    """A clone of its own below the run's folder, or the workspace's files where they lie."""
    if isinstance(spec.source, GitSource):
        return folder / "work"
    return shared / spec.source.path if spec.source else shared


def source_stage(
    spec: CommandSpec,
    folder: Path,
    cwd: Path,
    shared: Path,
    runtime: Runtime,
    *,
    has_private_addresses: bool,
) -> Stage:
    """``has_private_addresses``: git may fetch from this machine and private networks too."""
    script = spec.argv[0] if spec.argv else ""
    argv = [runtime.base_python, "-I", "-S", str(NODEKIT / "checkout.py")]
    argv += [str(cwd), str(folder / "facts.json"), script]
    if isinstance(spec.source, GitSource):
        argv += [address_and_credentials(spec.source)[0], spec.source.reference]
    elif spec.source is not None:
        argv += ["--files", str(shared)]
    return Stage(
        name="source",
        argv=argv,
        cwd=str(folder),
        env={
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "PYTHONUNBUFFERED": "1",
            "SOURCE_PRIVATE_ADDRESSES": "1" if has_private_addresses else "0",
        },
        reason="SourceNotFound",
        reasons=REASONS,
        seconds=600,
    )


def network_environment() -> dict[str, str]:
    """This machine's proxies and certificates. A proxy's address may hold a password."""
    return {name: value for name, value in os.environ.items() if _NETWORK.match(name)}


def address_and_credentials(source: GitSource) -> tuple[str, str, str]:
    """(address, username, password): what stands in the address itself is taken out of it."""
    parts = urlsplit(source.url)
    if "@" not in parts.netloc:
        return source.url, source.username, source.password
    written, _, host = parts.netloc.rpartition("@")
    name, _, password = (unquote(part) for part in written.partition(":"))
    address = parts._replace(netloc=host).geturl()
    return address, source.username or name, source.password or password
