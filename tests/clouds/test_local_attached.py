"""A real notebook server attached to a real cluster, and the documented lines in its terminal."""

from __future__ import annotations

import shlex
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from clusters.evidence import Sign, last_use, signs_of_notebook
from tests.clouds.cases import Case, create, drive, serve
from tests.clouds.jupyter import LabKernel, request, start_kernel
from tests.git_server import GitServer
from tests.waiting import wait_until
from workspaces.clouds.base import ClusterSpec
from workspaces.clouds.local import processes
from workspaces.clouds.local.driver import LocalCloud
from workspaces.clouds.local.environment import Runtime
from workspaces.clouds.local.layout import Layout
from workspaces.clouds.local.machine import nodes_of
from workspaces.clouds.servers import NotebookSpec
from workspaces.notebooks.activity import ServerActivity, look
from workspaces.notebooks.probe import NoAnswer

pytestmark = pytest.mark.e2e


@dataclass(frozen=True)
class Attached:
    """``detached``: a kernel whose cells have the environment of a terminal."""

    case: Case
    layout: Layout
    cluster: ClusterSpec
    notebook: NotebookSpec
    address: str
    name: str
    detached: LabKernel

    @property
    def key(self) -> Path:
        home = self.layout.notebook(self.notebook.uuid) / "home"
        return home / "cluster_ssh_keys" / f"id_rsa-{self.cluster.uuid}"

    def typed(self, line: str) -> str:
        """In a shell of the server; its last line is the exit code."""
        return self.detached.run(f"!bash -c {shlex.quote(line + '; echo $?')} 2>&1").replace(
            "\r\n", "\n"
        )

    def kernels(self) -> dict[str, dict[str, object]]:
        told = request(self.address, self.notebook.token, "GET", "/api/kernelspecs")[1]
        return {name: about["spec"] for name, about in told["kernelspecs"].items()}


def new_key() -> tuple[str, str]:
    """(private, public), both as OpenSSH writes them."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return private.decode(), public.decode()


def attach(case: Case, *, nodes: int) -> Attached:
    assert isinstance(case.cloud, LocalCloud)
    private, public = new_key()
    cluster, notebook = case.cluster(nodes=nodes), case.notebook()
    cluster = replace(cluster, public_key=public)
    create(case, cluster)
    address = serve(case, notebook).address
    name = case.cloud.attach_notebook(notebook, cluster, name="Demo", private_key=private)
    again = case.cloud.attach_notebook(notebook, cluster, name="Demo", private_key=private)
    assert again == name
    kernel = start_kernel(address, notebook.token, "python3")
    return Attached(case, case.cloud._layout, cluster, notebook, address, name, kernel)


@pytest.fixture(scope="module")
def attached(
    tmp_path_factory: pytest.TempPathFactory, git: GitServer, runtime: Runtime, lab: Runtime
) -> Iterator[Attached]:
    state = tmp_path_factory.mktemp("attached") / "state"
    cloud = LocalCloud({"root": state})
    for real in (runtime, lab):
        (state / "runtimes" / real.folder.name).symlink_to(real.folder)
    case = Case(cloud, runtime.version, git)
    try:
        yield attach(case, nodes=2)
    finally:
        case.clean_up()


def activity(attached: Attached) -> dict[str, bool | None]:
    uuid = attached.cluster.uuid
    return {s.name: s.is_busy for s in attached.case.cloud.observe_activity([uuid])[uuid]}


IDLE = {"engines": False, "mpiexec": False, "terminal": False, "processor": False}


def wait_until_idle(attached: Attached) -> None:
    wait_until(lambda: activity(attached) == IDLE, timeout=60, every=1.1)


def host_names(attached: Attached) -> list[str]:
    return [node.name for node in nodes_of(attached.cluster.uuid, 2)]


def test_cells_reach_the_engines_of_the_cluster(attached: Attached) -> None:
    """F121."""
    spec = attached.kernels()[attached.name]
    kernel = start_kernel(attached.address, attached.notebook.token, attached.name)

    told = kernel.run("%%px\nimport bodo\nprint('rank', bodo.get_rank(), 'of', bodo.get_size())")

    assert spec["display_name"] == f"Demo (Bodo {attached.cluster.bodo_version})"
    assert spec["metadata"]["bodo_cluster"] == str(attached.cluster.uuid)  # type: ignore[index]
    assert "rank 0 of 2" in told
    assert "rank 1 of 2" in told


def test_documented_mpiexec_line_runs_on_the_nodes(attached: Attached) -> None:
    """F148, as it is typed; /shared does not exist on this machine."""
    hostfile = f"/shared/.hostfile-{attached.cluster.uuid}"

    told = attached.typed(f"mpiexec -n 2 -f {hostfile} hostname")
    version = attached.typed(f"mpiexec -n 2 -f {hostfile} python -c 'import bodo, mpi4py.MPI'")

    assert sorted(told.split()) == sorted([*host_names(attached), "0"])
    assert version.split() == ["0"]


def test_documented_ssh_line_opens_a_shell_on_the_node(attached: Attached) -> None:
    """F145."""
    node = nodes_of(attached.cluster.uuid, 2)[1]
    key = f"~/cluster_ssh_keys/id_rsa-{attached.cluster.uuid}"

    told = attached.typed(f"ssh -i {key} {node.address} 'hostname; pwd; echo $BODO_CLUSTER'")
    typed = attached.typed(f"echo 'which python' | ssh -i {key} {node.address} 2>/dev/null")

    shared = str(attached.layout.shared(attached.case.workspace.uuid))
    assert told.split() == [node.name, shared, str(attached.cluster.uuid), "0"]
    assert str(attached.layout.cluster(attached.cluster.uuid) / "env/bin/python") in typed
    assert stat.S_IMODE(attached.key.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("ssh -i {key} 127.0.0.1 hostname", "127.0.0.1 is no node of this cluster"),
        ("ssh -i /none/id_rsa-{uuid} {node} hostname", "is no key. Attach a notebook"),
        ("ssh -i {other} {node} hostname", "Permission denied (publickey)"),
        ("cp {key} /tmp/id_rsa-{uuid}; chmod 644 /tmp/id_rsa-{uuid}; "
         "ssh -i /tmp/id_rsa-{uuid} {node} hostname; rm /tmp/id_rsa-{uuid}", "Others can read"),
        ("mpiexec -n 2 hostname", "Name a cluster by its hostfile"),
        ("mpiexec -n 2 -f /shared/.hostfile-{unknown} hostname", "There is no cluster {unknown}"),
    ],
)  # fmt: skip
def test_a_line_that_can_not_work_says_why(
    attached: Attached, tmp_path: Path, line: str, told: str
) -> None:
    other = tmp_path / f"id_rsa-{attached.cluster.uuid}"
    other.write_text(new_key()[0])
    other.chmod(0o600)
    words = {
        "key": str(attached.key),
        "uuid": str(attached.cluster.uuid),
        "node": nodes_of(attached.cluster.uuid, 1)[0].address,
        "other": str(other),
        "unknown": str(attached.notebook.uuid),
    }

    answer = attached.typed(line.format(**words))

    assert told.format(**words) in answer
    assert not set(host_names(attached)) & set(answer.split())


def test_looking_at_an_idle_cluster_leaves_it_idle(attached: Attached) -> None:
    wait_until_idle(attached)

    wait_until(lambda: activity(attached) == IDLE, timeout=5, every=1.1)


def test_engines_that_wait_in_a_task_are_busy(attached: Attached) -> None:
    """Without a cell that runs, and without any use of the processor."""
    kernel = start_kernel(attached.address, attached.notebook.token, attached.name)
    wait_until_idle(attached)
    client = "import ipyparallel, os, time\nc = ipyparallel.Client(os.environ['BODO_CLIENT_FILE'])"

    kernel.run(f"{client}\nr = c[:].apply_async(time.sleep, 2)")

    assert activity(attached)["engines"] is True
    wait_until_idle(attached)


def test_silent_cell_is_seen_and_an_open_one_that_rests_is_not(attached: Attached) -> None:
    """F108, of one kernel: it computes without a word; then it rests, however long it is open.

    Asking changes nothing: the time of the last activity stays.
    """
    kernel = start_kernel(attached.address, attached.notebook.token, attached.name)
    kernel.run("1")

    def sign() -> Sign:
        activity = look(attached.address, attached.notebook.token)
        own = ServerActivity(tuple(k for k in activity.kernels if k.uuid == kernel.uuid), ())
        uuid = attached.cluster.uuid
        return signs_of_notebook(uuid, "Lab", [uuid], own)[uuid]

    with ThreadPoolExecutor(1) as background:
        cell = background.submit(kernel.run, "import time\ntime.sleep(3)")
        wait_until(lambda: sign().is_busy, timeout=3)
        cell.result()
    wait_until(lambda: not sign().is_busy, timeout=5)
    first = sign()

    assert last_use([first], datetime.now(UTC)) == first.at
    assert {sign().at for _ in range(20)} == {first.at}


def test_server_that_died_is_not_called_idle(attached: Attached) -> None:
    with pytest.raises(NoAnswer):
        look(f"{attached.address}-gone", attached.notebook.token)
    with pytest.raises(NoAnswer):
        look(attached.address, "another token")


@pytest.mark.parametrize(
    ("line", "signal"),
    [
        ("mpiexec -n 2 -f /shared/.hostfile-{uuid} sleep 2", "mpiexec"),
        ("ssh -i {key} {node} sleep 2", "terminal"),
        ("ssh -i {key} {node} 'timeout 4 yes > /dev/null'", "processor"),
    ],
)
def test_what_people_start_on_the_nodes_is_seen(attached: Attached, line: str, signal: str) -> None:
    node = nodes_of(attached.cluster.uuid, 1)[0].address
    words = line.format(uuid=attached.cluster.uuid, key=attached.key, node=node)
    wait_until_idle(attached)

    attached.detached.run(f"import subprocess\nsubprocess.Popen({words!r}, shell=True)")

    wait_until(lambda: activity(attached)[signal] is True, timeout=8, every=1.1)
    wait_until_idle(attached)


def test_what_can_not_be_seen_is_not_called_idle(attached: Attached) -> None:
    unknown = attached.notebook.uuid

    seen = attached.case.cloud.observe_activity([unknown])[unknown]

    assert {signal.name: signal.is_busy for signal in seen}["engines"] is None
    assert all(signal.detail.endswith(".") for signal in seen)


def test_kernel_keeps_its_state_over_a_pause_and_ends_with_the_cluster(running: Case) -> None:
    subject = attach(running, nodes=1)
    kernel = start_kernel(subject.address, subject.notebook.token, subject.name)
    kernel.run("kept = 42")
    node = nodes_of(subject.cluster.uuid, 1)[0]
    key = f"~/cluster_ssh_keys/id_rsa-{subject.cluster.uuid}"
    subject.detached.run(
        f"import subprocess\nsubprocess.Popen('ssh -i {key} {node.address} sleep 600', shell=True)"
    )
    wait_until(lambda: processes.marked("BODO_SESSION", "ssh"))

    drive(lambda: running.cloud.stop_cluster(subject.cluster), running.seconds)

    assert processes.marked("BODO_CLUSTER", str(subject.cluster.uuid)) == []
    assert kernel.run("kept").strip() == "42"

    drive(lambda: running.cloud.remove_cluster(subject.cluster, running.ledger), running.seconds)

    assert processes.marked("BODO_CLUSTER_UUID", str(subject.cluster.uuid)) == []
    assert set(subject.kernels()) == {"python3"}
    assert not subject.key.exists()
    assert subject.detached.run("print('fine')").strip() == "fine"


def test_detached_server_has_neither_kernel_nor_key(attached: Attached) -> None:
    before = attached.key.read_bytes()

    attached.case.cloud.detach_notebook(attached.notebook, attached.cluster.uuid)
    without = attached.kernels()
    has_key = attached.key.exists()
    attached.case.cloud.attach_notebook(
        attached.notebook, attached.cluster, name="Demo", private_key=before.decode()
    )

    assert set(without) == {"python3"}
    assert not has_key
    assert attached.key.read_bytes() == before
