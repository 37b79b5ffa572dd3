"""What a kernel knows of its cluster: files that the cloud driver keeps true.

``BODO_NODES_FILE`` holds ``{"state": "started" | "stopped", "cores": <per node>, "nodes":
[{"name", "address"}]}`` and is gone while the cluster has no machines; ``BODO_CLIENT_FILE`` is
there while a controller runs, and is another one after every start.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

_ANSWER_SECONDS = 3.0
_RED, _PLAIN = "\x1b[1;31m", "\x1b[0m"


class Refusal(Exception):  # noqa: N818 - an expected refusal, with a sentence for the user
    """Ends the cell with one sentence in place of a traceback; later cells do not run."""

    def _render_traceback_(self) -> list[str]:
        return [f"{_RED}{self}{_PLAIN}"]


@dataclass(frozen=True)
class Node:
    name: str
    address: str


@dataclass(frozen=True)
class Nodes:
    """``cores``: MPI ranks per node."""

    is_started: bool
    cores: int
    nodes: tuple[Node, ...]

    @property
    def core_count(self) -> int:
        return self.cores * len(self.nodes)


@dataclass(frozen=True)
class Cluster:
    """``shares_environment``: what is installed on one node is installed on all."""

    name: str
    uuid: str
    client_file: Path
    hostfile: Path
    nodes_file: Path
    packages_file: Path
    shares_environment: bool

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> Cluster | None:
        if not variables.get("BODO_CLIENT_FILE"):
            return None
        return cls(
            name=variables.get("BODO_CLUSTER_NAME", "cluster"),
            uuid=variables.get("BODO_CLUSTER_UUID", ""),
            client_file=Path(variables["BODO_CLIENT_FILE"]),
            hostfile=Path(variables["BODO_HOSTFILE"]),
            nodes_file=Path(variables["BODO_NODES_FILE"]),
            packages_file=Path(variables["BODO_PACKAGES_FILE"]),
            shares_environment=variables.get("BODO_NODES_SHARE_ENVIRONMENT") == "1",
        )

    def nodes(self) -> Nodes | None:
        """None while the cluster has no machines."""
        try:
            told = json.loads(self.nodes_file.read_text())
        except (FileNotFoundError, NotADirectoryError):
            return None
        nodes = tuple(Node(node["name"], node["address"]) for node in told["nodes"])
        return Nodes(told["state"] == "started", told["cores"], nodes)

    def started_nodes(self) -> Nodes:
        """Raises Refusal when the cluster does not run."""
        nodes = self.nodes()
        if nodes is None:
            raise Refusal(
                f"The cluster {self.name} was stopped or removed. Start it on its page, or attach "
                "this notebook to another cluster; then run the cell again."
            )
        if not nodes.is_started:
            raise Refusal(
                f"The cluster {self.name} is paused, or is being restarted or scaled. Resume it "
                "if it is paused, and run the cell again when it is RUNNING."
            )
        return nodes

    def connection_file(self) -> str:
        """What the client file says now, by which a fresh start is told from the last one.

        Raises Refusal when nothing answers there.
        """
        self.started_nodes()
        try:
            text = self.client_file.read_text()
        except (FileNotFoundError, NotADirectoryError):
            raise self.still_starting() from None
        if not _answers(text):
            raise self.lost()
        return text

    def still_starting(self) -> Refusal:
        return Refusal(
            f"The cluster {self.name} is not ready yet. Run the cell again when its page says "
            "RUNNING."
        )

    def lost(self) -> Refusal:
        return Refusal(
            f"The cluster {self.name} does not answer any more: its processes have ended. See its "
            "page for the reason, start it there again, then run the cell again."
        )


def _answers(connection: str) -> bool:
    """Whether the controller of that connection file listens."""
    try:
        told = json.loads(connection)
        host = urlsplit(told["interface"]).hostname
        if not host or host in ("*", "0.0.0.0"):  # noqa: S104 - compared, not bound
            host = told["location"]
        with socket.create_connection((host, int(told["registration"])), _ANSWER_SECONDS):
            return True
    except (OSError, ValueError, KeyError):  # also a file that is being written
        return False
