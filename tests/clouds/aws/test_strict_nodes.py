"""Nodes that run: user data at first, ``boot.d`` at later boots, nothing left behind."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from tests.clouds.aws.building import launch, wait_for_state
from tests.clouds.aws.fixtures import AwsServer
from tests.waiting import wait_until

SERVICE = """#!/bin/sh
echo boot >> boots
(setsid sleep 600 &)
"""
USER_DATA = f"""#!/bin/sh
echo "$BODO_NODE_ADDRESS" > "$BODO_NODE_FILE_SYSTEMS/told"
mkdir boot.d
cat > boot.d/service <<'END'
{SERVICE}END
chmod +x boot.d/service
echo done > ready
"""


@pytest.fixture
def nodes(aws: AwsServer) -> AwsServer:
    aws.settings(run_nodes=True, pending_seconds=0.05)
    return aws


def folder_of(instance: str) -> Path:
    found = list(Path("/tmp").glob(f"strict-aws-*/{instance}"))  # noqa: S108
    assert len(found) == 1
    return found[0]


def processes_of(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("BODO_NODE_ROOT") == str(folder):
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_user_data_runs_once_and_services_at_later_boots(nodes: AwsServer) -> None:
    # plain moto: keeps the text
    ec2, names = nodes.client("ec2"), launch(nodes, UserData=USER_DATA)
    folder = folder_of(names[0])
    wait_until(lambda: (folder / "ready").exists())
    wait_for_state(nodes, names, "running")
    boots = folder / "boots"

    for number in (1, 2):
        ec2.stop_instances(InstanceIds=names)
        wait_for_state(nodes, names, "stopped")
        ec2.start_instances(InstanceIds=names)
        wait_for_state(nodes, names, "running")
        wait_until(lambda n=number: boots.exists() and boots.read_text() == "boot\n" * n)

    assert (folder / "user-data.log").read_text() == ""
    assert (folder.parent / "file-systems" / "told").read_text().startswith("127.")


def test_nothing_of_a_terminated_node_is_left(nodes: AwsServer) -> None:
    script = "#!/bin/sh\n(setsid sleep 600 &)\necho done > ready\n"
    names = launch(nodes, UserData=script)
    folder = folder_of(names[0])
    wait_until(lambda: (folder / "ready").exists())
    assert processes_of(folder)

    nodes.client("ec2").terminate_instances(InstanceIds=names)

    wait_for_state(nodes, names, "terminated")
    assert not processes_of(folder)
    assert not folder.exists()


def test_user_data_that_cannot_run_is_no_failed_launch(nodes: AwsServer) -> None:
    names = launch(nodes, UserData="#!/no/such/shell\n")

    assert "No such file" in (folder_of(names[0]) / "user-data.log").read_text()


@pytest.mark.e2e
def test_nodes_end_with_their_server() -> None:
    server = AwsServer("--run-nodes")
    names = launch(server, UserData="#!/bin/sh\n(setsid sleep 600 &)\necho done > ready\n")
    folder = folder_of(names[0])
    wait_until(lambda: (folder / "ready").exists())

    server.stop()

    assert not processes_of(folder)
    assert not folder.parent.exists()


def test_user_data_is_not_run_unless_asked(aws: AwsServer) -> None:
    names = launch(aws, UserData="#!/bin/sh\necho done > ready\n")

    wait_for_state(aws, names, "running")

    assert not list(Path("/tmp").glob(f"strict-aws-*/{names[0]}"))  # noqa: S108
