"""Nodes: an instance as a folder and processes of this machine, with a loopback address.

Commands of Systems Manager run there (``commands``); with ``run_nodes`` user data that is a
script runs there too, once, at the first boot, and the executables in ``boot.d`` at every later
one, in place of enabled services of the system. Processes see nothing of ours but this environment:

BODO_NODE_ROOT          the node's folder, its working folder and HOME
BODO_NODE_ADDRESS       its own address, 127.x.y.z
BODO_NODE_FILE_SYSTEMS  a folder with one folder per EFS file system, the same for all nodes
BODO_NODE_INSTANCE_ID, AWS_ENDPOINT_URL, AWS_DEFAULT_REGION, and keys of the instance profile

Stopping ends the node's processes and keeps the folder, terminating removes the folder as well.
NOT proved: cloud-init, images, root, mounting, networks, other hosts. Not for strangers: it runs
what it is told, as the user who started the server.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from moto.iam.models import iam_backends
from moto.sts.models import sts_backends

from tests.clouds.aws.world import world


@dataclass
class Node:
    instance: Any
    root: Path
    address: str
    alive: bool = True
    keys: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.root),
            "LANG": "C.UTF-8",
            "BODO_NODE_ROOT": str(self.root),
            "BODO_NODE_ADDRESS": self.address,
            "BODO_NODE_INSTANCE_ID": self.instance.id,
            "BODO_NODE_FILE_SYSTEMS": str(file_systems()),
            "AWS_ENDPOINT_URL": world.endpoint,
            "AWS_DEFAULT_REGION": self.instance.region_name,
            **self.keys,
        }

    def popen(self, words: list[str], **kwargs: Any) -> subprocess.Popen[bytes]:
        """Start a process of this node, in a session of its own."""
        return subprocess.Popen(
            words,
            **{"cwd": self.root, **kwargs},
            env=self.environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def processes(self) -> Iterator[psutil.Process]:
        """All that descend from this node, also those that left their session."""
        for process in psutil.process_iter():
            try:
                if process.environ().get("BODO_NODE_ROOT") == str(self.root):
                    yield process
            except psutil.Error:
                continue

    def end_processes(self) -> None:
        # Again until none is left: one may have started another meanwhile. What is dead, and
        # only waits for its parent, has no environment any more.
        while found := list(self.processes()):
            for process in found:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(found, timeout=0.02)


_nodes: dict[str, Node] = {}
_hosts = itertools.count(1)


def file_systems() -> Path:
    return world.nodes_folder / "file-systems"


def remove_file_system(name: str) -> None:
    shutil.rmtree(file_systems() / name, ignore_errors=True)


def node_of(instance: Any) -> Node:
    """Made at the first need."""
    if instance.id not in _nodes:
        root = world.nodes_folder / instance.id
        root.mkdir(parents=True)
        file_systems().mkdir(exist_ok=True)
        _nodes[instance.id] = Node(instance, root, _free_address())
    _nodes[instance.id].keys = _profile_keys(instance)
    return _nodes[instance.id]


def _free_address() -> str:
    """Of a network that is this server's own: its port is in the middle of the address.

    :raises RuntimeError: 254 nodes are there already.
    """
    port = int(world.endpoint.rpartition(":")[2])
    taken = {node.address for node in _nodes.values()}
    for _ in range(254):
        address = f"127.{port >> 8}.{port & 255}.{next(_hosts) % 254 + 1}"
        if address not in taken:
            return address
    raise RuntimeError("one strict AWS server runs at most 254 nodes at a time")


def profile_role(instance: Any) -> Any:
    """The IAM role of the instance's profile, or None."""
    arn = (instance.iam_instance_profile or {}).get("Arn")
    profiles = iam_backends[instance.owner_id]["aws"].instance_profiles.values()
    roles = [profile.roles for profile in profiles if profile.arn == arn]
    return roles[0][0] if roles and roles[0] else None


def _profile_keys(instance: Any) -> dict[str, str]:
    role = profile_role(instance)
    if role is None:
        return {}
    session = sts_backends[instance.owner_id]["aws"].assume_role(
        region_name=instance.region_name,
        role_session_name=instance.id,
        role_arn=role.arn,
        policy="",
        duration=3600,
        external_id="",
    )
    return {
        "AWS_ACCESS_KEY_ID": session.access_key_id,
        "AWS_SECRET_ACCESS_KEY": session.secret_access_key,
        "AWS_SESSION_TOKEN": session.session_token,
    }


def launched(instance: Any) -> None:
    user_data = instance.user_data.decode() if instance.user_data else ""
    if world.settings.run_nodes and user_data.startswith("#!"):
        node = node_of(instance)
        script = node.root / "user-data"
        script.write_text(user_data)
        script.chmod(0o700)
        _start(node, script)


def started(instance: Any) -> None:
    if instance.id in _nodes:
        _nodes[instance.id].alive = True
    if world.settings.run_nodes:
        node = node_of(instance)
        services = node.root / "boot.d"
        for script in sorted(services.iterdir()) if services.is_dir() else []:
            _start(node, script)


def stopped(instance: Any) -> None:
    if node := _nodes.get(instance.id):
        node.alive = False
        node.end_processes()


def terminated(instance: Any) -> None:
    stopped(instance)
    if node := _nodes.pop(instance.id, None):
        shutil.rmtree(node.root, ignore_errors=True)


def _start(node: Node, script: Path) -> None:
    with (node.root / f"{script.name}.log").open("ab") as log:
        try:
            process = node.popen([str(script)], stdout=log, stderr=log)
        except OSError as problem:
            # The instance runs, only its script did not: as on AWS.
            log.write(f"{problem}\n".encode())
            return
    threading.Thread(target=process.wait, daemon=True).start()


@world.on_reset
def end_all() -> None:
    for node in list(_nodes.values()):
        terminated(node.instance)
    shutil.rmtree(file_systems(), ignore_errors=True)
