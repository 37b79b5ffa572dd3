"""Wait until all engines of a cluster answer and prove that they are what was asked for.

``python engines.py <client file> <count> <bodo version> <nodes> <ready file>``
"""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Protocol

DEADLINE_SECONDS = 120


def about_this_engine() -> tuple[str, int, str]:
    """Runs on an engine."""
    import socket
    from importlib import import_module
    from importlib.metadata import version

    mpi = import_module("mpi4py.MPI")
    return socket.gethostname(), mpi.COMM_WORLD.rank, version("bodo")


def let_cells_await() -> None:
    """Runs on an engine. ipykernel 7 asks for a thread that ipyparallel's engines do not have, and
    would answer nothing to a cell with ``await``: the queue would count it as running for ever.
    """
    import threading
    from importlib import import_module

    class NoThread:
        parent_thread = threading.main_thread()

        def __bool__(self) -> bool:
            return False

    kernel = import_module("IPython").get_ipython().kernel
    if getattr(kernel, "shell_channel_thread", "") is None:
        without_subshells = {"_supports_kernel_subshells": False}
        kernel.__class__ = type("EngineKernel", (type(kernel),), without_subshells)
        kernel.shell_channel_thread = NoThread()


class EngineList(Protocol):
    """What we ask of ipyparallel's client, which has no types."""

    ids: list[int]


def wait_for(client: EngineList, count: int) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while len(client.ids) < count:
        if time.monotonic() > deadline:
            raise SystemExit(f"{len(client.ids)} of {count} engines answered in time")
        time.sleep(0.02)


def main() -> None:
    client_file, count, version, nodes, ready = sys.argv[1:6]
    # Untyped, and only there in a cluster's environment.
    client = import_module("ipyparallel").Client(client_file, timeout=30)
    wait_for(client, int(count))
    engines = client[:].apply_sync(about_this_engine)
    client[:].apply_sync(let_cells_await)
    if sorted(rank for _, rank, _ in engines) != list(range(int(count))):
        raise SystemExit("The engines do not form one MPI world")
    if {found for _, _, found in engines} != {version}:
        raise SystemExit(f"The engines run another Bodo than {version}")
    hosts = {host for host, _, _ in engines}
    if len(hosts) not in (1, int(nodes)):
        raise SystemExit(f"The engines run on {len(hosts)} nodes instead of {nodes}")
    draft = Path(ready + ".draft")
    draft.write_text(json.dumps([list(engine) for engine in engines]))
    draft.replace(ready)
    sys.stdout.write(f"{count} engines answered\n")


if __name__ == "__main__":
    main()
