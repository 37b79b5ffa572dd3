"""The kernel kills a rank of a job, and the job says so.

Collected only where a control group for memory can be made (root, and the tree of control groups
writable); elsewhere the header of the test run says why not.
"""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from tests.clouds.cases import Case, drive, log_of
from tests.clouds.ledgers import MemoryLedger
from tests.clouds.memory_groups import MemoryGroup, memory_group
from workspaces.clouds.commands import CommandSpec, CommandState
from workspaces.clouds.local.driver import LocalCloud

pytestmark = pytest.mark.e2e

LIMIT = 256 * 2**20
HUNGRY = """\
import os, time
print("here is rank", os.environ["PMI_RANK"], flush=True)
if os.environ["PMI_RANK"] == "1":
    held = bytearray(2**30)
time.sleep(600)
"""


def _start_inside(group: MemoryGroup, root: Path, command: CommandSpec) -> None:
    """In a process of its own: the shim and all below it are born in the group."""
    group.enter()
    LocalCloud({"root": root}).ensure_command(command, MemoryLedger())


def test_rank_that_the_kernel_killed_is_out_of_memory(running: Case, tmp_path: Path) -> None:
    """G005."""
    cluster = running.cluster(nodes=2)
    assert isinstance(running.cloud, LocalCloud)
    running.cloud._clusters.reservations.reserve(cluster)
    hostfile = running.cloud._layout.hostfile(cluster.workspace.uuid, cluster.uuid)
    hostfile.write_text("127.0.0.1:2\n")
    command = running.command(cluster, "-c", HUNGRY)

    with memory_group(LIMIT) as group:
        starter = multiprocessing.get_context("spawn").Process(
            target=_start_inside, args=(group, tmp_path / "state", command)
        )
        starter.start()
        starter.join(60)
        done = drive(lambda: running.cloud.observe_command(command), 60, until=CommandState.EXITED)
        kills = group.kills()

    assert kills == 1
    assert (done.reason, done.exit_code) == ("OutOfMemory", 9)
    assert done.message == "The kernel ended a process because memory ran out"
    assert "here is rank 1" in [line.text for line in log_of(running, command)]
