"""Real notebook servers that meet an accident, and where their things lie."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.clouds.cases import Case, drive, serve
from tests.clouds.jupyter import LabKernel, answer, request, start_kernel
from tests.clouds.test_local_faults import command_line
from tests.git_server import GitServer
from tests.waiting import wait_until
from workspaces.clouds.local import processes
from workspaces.clouds.local.driver import LocalCloud
from workspaces.clouds.local.environment import NODEKIT, Runtime
from workspaces.clouds.local.layout import Layout, delete_tree
from workspaces.clouds.servers import NotebookPhase, NotebookSpec, NotebookStatus

pytestmark = pytest.mark.e2e


@dataclass(frozen=True)
class Up:
    case: Case
    spec: NotebookSpec
    status: NotebookStatus
    kernel: LabKernel


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory, git: GitServer, lab: Runtime) -> Iterator[Up]:
    """One server for the tests that do it no harm."""
    state = tmp_path_factory.mktemp("up") / ("deep-" * 12) / "state"
    cloud = LocalCloud({"root": state})
    (state / "runtimes" / lab.folder.name).symlink_to(lab.folder)
    case = Case(cloud, "2026.10", git)
    spec = case.notebook()
    try:
        status = serve(case, spec)
        yield Up(case, spec, status, start_kernel(status.address, spec.token, "python3"))
    finally:
        case.clean_up()


LEFT_BEHIND = """
import pathlib, subprocess
pathlib.Path('~/mine.txt').expanduser().write_text('kept')
subprocess.Popen(['sleep', '600'], start_new_session=True)
"""


def layout(case: Case) -> Layout:
    assert isinstance(case.cloud, LocalCloud)
    return case.cloud._layout


def look(case: Case, spec: NotebookSpec) -> NotebookStatus:
    return case.cloud.observe_notebooks([spec.uuid])[spec.uuid]


def programs(spec: NotebookSpec, words: str) -> list[processes.Process]:
    marked = processes.marked("BODO_NOTEBOOK", str(spec.uuid))
    return [process for process in marked if words in command_line(process)]


@pytest.mark.parametrize(
    ("victim", "cause"),
    [
        ("jupyterlab", "The server stopped: JupyterLab ended with exit code 137"),
        ("shim/__main__.py", "The process that watched the server was killed."),
    ],
)
def test_dead_server_is_told_with_its_cause_and_starts_afresh(
    serving: Case, victim: str, cause: str
) -> None:
    spec = serving.notebook()
    address = serve(serving, spec).address
    kernel = start_kernel(address, spec.token, "python3")
    kernel.run(LEFT_BEHIND)

    processes.send(programs(spec, victim)[0], signal.SIGKILL)
    wait_until(lambda: look(serving, spec).phase is NotebookPhase.FAILED, timeout=5)

    status = look(serving, spec)
    assert status.message.startswith(cause)
    assert status.error is not None
    assert status.last_seen_at == pytest.approx(time.time(), abs=15)
    assert serving.cloud.ensure_notebook(spec, serving.ledger).phase is NotebookPhase.FAILED

    drive(lambda: serving.cloud.stop_notebook(spec), serving.seconds)
    assert processes.marked("BODO_NOTEBOOK", str(spec.uuid)) == []
    serve(serving, spec)
    assert (layout(serving).notebook(spec.uuid) / "home" / "mine.txt").read_text() == "kept"


def test_many_workers_start_one_server(serving: Case) -> None:
    spec = serving.notebook()

    with ThreadPoolExecutor(4) as workers:
        found = list(workers.map(lambda _: serve(serving, spec), range(4)))

    assert len({status.address for status in found}) == 1
    assert len(programs(spec, "-m jupyterlab")) == 1
    wait_until(lambda: len(programs(spec, "shim/__main__.py")) == 1)


def test_restart_of_the_machine_is_told(serving: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = serving.notebook()
    serve(serving, spec)
    processes.send(programs(spec, "shim/__main__.py")[0], signal.SIGKILL)
    wait_until(lambda: look(serving, spec).phase is NotebookPhase.FAILED)

    monkeypatch.setattr(processes, "boot_id", lambda: "after")

    assert look(serving, spec).message == "The machine was restarted."


def test_token_stays_in_memory_and_files_are_private(up: Up) -> None:
    """But Jupyter writes it beside its own socket, in a folder that only its owner enters."""
    token = up.spec.token

    seen = up.kernel.run("!env; cat /proc/$PPID/cmdline")

    assert "BODO_NOTEBOOK" in seen
    assert token not in seen
    lines = [command_line(found) for found in processes.marked("BODO_NOTEBOOK", str(up.spec.uuid))]
    assert not [line for line in lines if token in line]
    holders = [p for p in files_below(layout(up.case).root) if token.encode() in p.read_bytes()]
    assert {path.parent.name for path in holders} <= {"runtime"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in holders} <= {0o600}
    assert stat.S_IMODE(layout(up.case).notebook(up.spec.uuid).stat().st_mode) == 0o700
    assert stat.S_IMODE(socket_of(up.case, up.spec).stat().st_mode) == 0o600


def files_below(root: Path) -> list[Path]:
    skipped = (root / "runtimes", root / "uv-cache")
    return [
        Path(folder, name)
        for folder, folders, names in os.walk(root)
        if Path(folder) not in skipped or folders.clear()
        for name in names
        if Path(folder, name).is_file()
    ]


def socket_of(case: Case, spec: NotebookSpec) -> Path:
    return layout(case).run(f"notebook-{spec.uuid}-1") / "lab.sock"


def test_socket_has_a_short_name_where_the_state_lies_deep(up: Up) -> None:
    """A unix socket's address has at most 107 bytes."""
    name = up.status.address.removeprefix("unix:")

    assert len(str(socket_of(up.case, up.spec))) > 107
    assert len(name) <= 107
    assert Path(name).samefile(socket_of(up.case, up.spec))


def test_socket_keeps_its_name_where_that_is_short(serving: Case) -> None:
    root = Path(tempfile.mkdtemp(prefix="bodo-"))
    cloud = LocalCloud({"root": root})
    lab = next(layout(serving).runtimes.glob("jupyterlab-*"))
    (root / "runtimes" / lab.name).symlink_to(lab.resolve())
    case = Case(cloud, "2026.10", serving.git)
    spec = case.notebook()
    try:
        address = serve(case, spec).address
    finally:
        case.clean_up()
        delete_tree(root)

    assert address == f"unix:{root}/runs/notebook-{spec.uuid}-1/lab.sock"
    assert answer(address, spec.token) == 0


def test_what_a_person_installs_is_theirs_alone(up: Up) -> None:
    own = str(layout(up.case).notebook(up.spec.uuid) / "env")

    told = up.kernel.run("import sys\nprint(sys.prefix)\n!which pip python mpiexec")

    prefix, pip, python, mpiexec = told.split()
    assert (prefix, pip, python) == (own, f"{own}/bin/pip", f"{own}/bin/python")
    assert mpiexec.endswith("nodekit/terminal/mpiexec")


def test_file_browser_shows_the_files_of_the_workspace(up: Up) -> None:
    up.kernel.run("open('/'.join([__import__('os').environ['BODO_SHARED'], 'made.txt']), 'w')")

    content = request(up.status.address, up.spec.token, "GET", "/api/contents/?content=1")[1]

    assert "made.txt" in [entry["name"] for entry in content["content"]]


LIST_KERNELS = """
import sys
import jupyter_core.paths as paths
from jupyter_client.kernelspec import KernelSpecManager
from traitlets.config.loader import PyFileConfigLoader
paths.SYSTEM_JUPYTER_PATH[:] = [sys.argv[1]]
before = sorted(KernelSpecManager().find_kernel_specs())
PyFileConfigLoader(sys.argv[2]).load_config()
print(before, sorted(KernelSpecManager().find_kernel_specs()))
"""


def test_kernels_of_the_whole_machine_are_not_offered(lab: Runtime, tmp_path: Path) -> None:
    for name, kind in (("own", "r"), ("system", "spark")):
        folder = tmp_path / name / "kernels" / kind
        folder.mkdir(parents=True)
        (folder / "kernel.json").write_text('{"argv": ["x"], "display_name": "x"}')
    words = [lab.program("python"), "-c", LIST_KERNELS, str(tmp_path / "system")]
    environment = {
        "HOME": str(tmp_path),
        "JUPYTER_DATA_DIR": str(tmp_path / "own"),
        "JUPYTER_TOKEN": "token",
        "BODO_LAB_SOCKET": str(tmp_path / "socket"),
        "BODO_SHARED": str(tmp_path),
    }

    said = subprocess.run(
        [*words, str(NODEKIT / "jupyter" / "jupyter_server_config.py")],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout

    assert said == "['python3', 'r', 'spark'] ['python3', 'r']\n"


def test_workspace_goes_with_servers_that_nobody_removed(serving: Case) -> None:
    spec = serving.notebook()
    serve(serving, spec)

    drive(
        lambda: serving.cloud.remove_workspace(serving.workspace, serving.ledger), serving.seconds
    )

    assert processes.marked("BODO_NOTEBOOK", str(spec.uuid)) == []
    assert spec.uuid not in {found.notebook for found in serving.cloud.inventory()}
