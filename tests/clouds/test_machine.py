from __future__ import annotations

import socket
from collections import Counter
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from workspaces.clouds.base import CloudError
from workspaces.clouds.local import driver, machine
from workspaces.clouds.local.machine import Machine, nodes_of
from workspaces.clouds.nodekit.hosts import problem_of

TWO_CORES = Machine(cores=2, memory_mib=8192, overcommit=2)


def test_instance_types_are_powers_of_two_and_the_whole_machine() -> None:
    types = Machine(cores=6, memory_mib=6144, overcommit=2).instance_types()

    assert [(t.name, t.cores, t.memory_mib) for t in types] == [
        ("local.1core", 1, 1024),
        ("local.2core", 2, 2048),
        ("local.4core", 4, 4096),
        ("local.6core", 6, 6144),
    ]


def test_refusal_names_places_used_and_asked_for() -> None:
    with pytest.raises(CloudError) as refusal:
        TWO_CORES.check_places(2, used=3)

    assert refusal.value.code == "Capacity"
    assert refusal.value.message == (
        "This machine has 2 cores, shared by at most 2 nodes each: 4 places, 3 in use; "
        "2 more were asked for."
    )


def test_the_last_place_can_be_had() -> None:
    TWO_CORES.check_places(1, used=3)


def test_nodes_have_names_and_addresses_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "has_own_host_names", lambda: True)
    nodes = nodes_of(UUID("00ff0000-0000-4000-8000-000000000000"), 2)

    assert [(n.ordinal, n.name, n.address) for n in nodes] == [
        (1, "local-00ff0000-1", "127.1.255.1"),
        (2, "local-00ff0000-2", "127.1.255.2"),
    ]


def test_nodes_share_the_machines_name_where_the_kernel_gives_no_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for module in (machine, driver):
        monkeypatch.setattr(module, "has_own_host_names", lambda: False)

    nodes = nodes_of(uuid4(), 2)

    assert {node.name for node in nodes} == {socket.gethostname()}
    assert len({node.address for node in nodes}) == 2
    assert machine.SAME_HOST_NAME in driver.LocalCloud({"root": tmp_path}).notices()


def test_missing_isolation_is_told(tmp_path: Path) -> None:
    assert machine.NO_ISOLATION in driver.LocalCloud({"root": tmp_path}).notices()


def test_no_node_lives_where_services_of_the_machine_listen() -> None:
    addresses = [nodes_of(uuid4(), 1)[0].address for _ in range(300)]

    assert not [address for address in addresses if address.startswith("127.0.")]


@pytest.mark.parametrize(
    ("names", "has_own_names", "problem"),
    [
        ({"a-1": 2, "a-2": 2}, True, ""),
        ({"host": 4}, False, ""),
        ({"host": 4}, True, "1 different host names answered instead of 2"),
        ({"a-1": 2, "a-2": 1}, True, "3 of 4 cores answered"),
        ({"a-1": 3, "a-2": 1}, True, "the cores are spread unevenly over the nodes"),
    ],
)
def test_answers_of_the_hosts(names: dict[str, int], has_own_names: bool, problem: str) -> None:
    found = problem_of(Counter(names), 2, 2, has_own_names=has_own_names)

    assert found.startswith(problem)
    assert bool(found) == bool(problem)
