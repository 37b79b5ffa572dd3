"""One run of JupyterLab: its folder, its environment, where it listens and how it ended.

``home`` is what its owner sees as ``~``; the other folders beside it are Jupyter's own. All of them
outlive a stop. The socket lies in the run's folder, so an old one is never taken for a new one.
"""

from __future__ import annotations

import hashlib
import json
import os
import pwd
from pathlib import Path
from uuid import UUID

from workspaces.clouds.base import CloudError
from workspaces.clouds.local import runs
from workspaces.clouds.local.environment import NODEKIT, Runtime, create_environment
from workspaces.clouds.local.layout import Layout, delete_tree
from workspaces.clouds.local.runs import Look
from workspaces.clouds.local.servers import Server
from workspaces.clouds.local.shim.logfile import parse_record, read_records
from workspaces.clouds.local.shim.state import Spec, Stage, write_json
from workspaces.clouds.servers import NotebookPhase, NotebookSpec, NotebookStatus

STAGE = "JupyterLab"
LABEXTENSION = NODEKIT / "labextension"
LONGEST_ADDRESS = 107  # of a unix socket, in bytes
LOG_BYTES = 4 * 1024 * 1024  # of the server's own words, twice that at most
_FOLDERS = ("home/cluster_ssh_keys", "config", "data/kernels", "runtime", "ipython", "tmp")


def run_name(server: Server) -> str:
    return f"notebook-{server.uuid}-{server.generation}"


def run_dir(layout: Layout, server: Server) -> Path:
    return layout.run(run_name(server))


def look(layout: Layout, server: Server) -> Look:
    folder = run_dir(layout, server)
    return runs.look(folder, folder / "state.json")


def runs_of(layout: Layout, notebook: UUID) -> list[Path]:
    return sorted(layout.runs.glob(f"notebook-{notebook}-*"))


def prepare(layout: Layout, spec: NotebookSpec, server: Server, runtime: Runtime) -> None:
    folder = layout.notebook(spec.uuid)
    for name in _FOLDERS:
        (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    shared = folder / "home" / "shared"
    if not shared.is_symlink() and not shared.exists():
        shared.symlink_to(layout.shared(spec.workspace.uuid))
    create_environment(folder / "env", runtime)
    write_kernelspec(folder / "data" / "kernels" / "python3", "Python 3 (detached)", folder / "env")
    install_extension(folder / "data" / "labextensions")
    runs.prepare(run_dir(layout, server), _spec(layout, spec, server, runtime))


def write_kernelspec(
    folder: Path,
    title: str,
    environment: Path,
    *,
    variables: dict[str, str] | None = None,
    metadata: dict[str, str] | None = None,
) -> None:
    """Jupyter lists it from the moment that kernel.json appears."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    python = str(environment / "bin" / "python")
    launch = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}", "--ext=bodo_magics"]
    content = {
        "argv": launch,
        "display_name": title,
        "language": "python",
        "env": variables or {},
        "metadata": {"debugger": True, **(metadata or {})},
    }
    write_json(folder / "kernel.json", content)


def install_extension(labextensions: Path) -> None:
    """Lab serves an extension from a folder of the extension's name, and lets browsers keep what
    they got for a year: the address changes with the content.
    """
    about = json.loads((LABEXTENSION / "package.json").read_text())
    static = LABEXTENSION / "static"
    content = b"".join(path.read_bytes() for path in sorted(static.iterdir()))
    version = f"static-{hashlib.sha256(content).hexdigest()[:16]}"
    about["jupyterlab"]["_build"]["load"] = f"{version}/remoteEntry.js"
    folder = labextensions / about["name"]
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    delete_tree(folder)
    folder.mkdir(mode=0o700, parents=True)
    (folder / version).symlink_to(static)
    write_json(folder / "package.json", about)


def _spec(layout: Layout, spec: NotebookSpec, server: Server, runtime: Runtime) -> Spec:
    folder, name = run_dir(layout, server), run_name(server)
    return Spec(
        run=name,
        log=str(folder / "log"),
        state=str(folder / "state.json"),
        markers={
            "BODO_RUN": name,
            "BODO_NOTEBOOK": str(spec.uuid),
            "BODO_WORKSPACE": str(spec.workspace.uuid),
            "BODO_STATE": str(layout.root),
        },
        stages=[
            Stage(
                name=STAGE,
                argv=[runtime.program("python"), "-m", "jupyterlab"],
                cwd=str(layout.shared(spec.workspace.uuid)),
                env=_environment(layout, spec, server, runtime),
                is_background=True,
            )
        ],
        log_limit=LOG_BYTES,
        is_log_rolling=True,
    )


def _environment(
    layout: Layout, spec: NotebookSpec, server: Server, runtime: Runtime
) -> dict[str, str]:
    folder = layout.notebook(spec.uuid)
    programs = [NODEKIT / "terminal", folder / "env" / "bin", runtime.folder / "bin"]
    user = pwd.getpwuid(os.getuid()).pw_name
    return {
        "PATH": ":".join([*map(str, programs), "/usr/local/bin:/usr/bin:/bin"]),
        "HOME": str(folder / "home"),
        "USER": user,
        "LOGNAME": user,
        "LANG": "C.UTF-8",
        "TMPDIR": str(folder / "tmp"),
        "VIRTUAL_ENV": str(folder / "env"),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_CONFIG_PATH": str(NODEKIT / "jupyter"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        # Else the runtime's own kernel, which all servers share, would stand before ours.
        "JUPYTER_PREFER_ENV_PATH": "0",
        "IPYTHONDIR": str(folder / "ipython"),
        "BODO_SHARED": str(layout.shared(spec.workspace.uuid)),
        "BODO_LAB_SOCKET": str(_socket(layout, server)),
    }


def _socket(layout: Layout, server: Server) -> Path:
    return run_dir(layout, server) / "lab.sock"


def status(layout: Layout, server: Server) -> NotebookStatus:
    """From the files of the run alone."""
    seen = look(layout, server)
    if seen.state is None:
        return NotebookStatus(NotebookPhase.NODE, 50, "Prepared the folder of the server")
    if not seen.is_alive:
        error = CloudError("NotebookLost", _cause(run_dir(layout, server), seen))
        return NotebookStatus(
            NotebookPhase.FAILED,
            message=error.message,
            error=error,
            last_seen_at=seen.state.finished_at or seen.last_seen_at,
        )
    socket = _socket(layout, server)
    if not socket.exists():
        return NotebookStatus(NotebookPhase.NODE, 75, "Started JupyterLab")
    address = f"unix:{_connectable(socket, seen.state.pid)}"
    return NotebookStatus(NotebookPhase.UP, 100, "JupyterLab listens", address)


def _connectable(socket: Path, shim: int) -> str:
    """A name of the socket that fits into an address: its shim stands in its folder."""
    if len(os.fsencode(socket)) <= LONGEST_ADDRESS:
        return str(socket)
    return f"/proc/{shim}/cwd/{socket.name}"


def _cause(folder: Path, seen: Look) -> str:
    state = seen.state
    if state is None or seen.is_after_restart:
        return "The machine was restarted."
    if not state.is_exited:
        return "The process that watched the server was killed."
    if state.reason != "ServiceEnded":
        return f"{state.message}."
    last = _last_line(folder / "log")
    return f"The server stopped: {state.message}{f' ({last})' if last else ''}."


def _last_line(log: Path) -> str:
    """What JupyterLab itself said last."""
    size = log.stat().st_size if log.exists() else 0
    data, _ = read_records(log, max(0, size - 4096), 4096)
    lines = [parse_record(record) for record in data.splitlines()[:-1]]  # the last is the shim's
    said = [line.text.strip() for line in lines if line is not None and line.text.strip()]
    return said[-1][:300] if said else ""
