"""From where a job's source may be fetched: not from the platform's own network, unless the
operator says so, and never from where a cloud tells machines their secrets.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clouds import fake_runtime
from tests.clouds.cases import Case, log_of, run_to_end
from tests.git_server import GitServer
from workspaces.clouds.local.driver import LocalCloud
from workspaces.clouds.nodekit import checkout

Resolve = Callable[..., None]


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Resolve:
    """The names of this process: ``resolve("127.0.0.1")`` for every host."""

    def pretend(*found: str) -> None:
        entries = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, 80)) for text in found]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: entries)

    return pretend


@pytest.fixture
def allow(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    def set_to(is_allowed: bool) -> None:
        monkeypatch.setenv("SOURCE_PRIVATE_ADDRESSES", "1" if is_allowed else "0")

    return set_to


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "::ffff:169.254.169.254",
        "::a9fe:a9fe",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "fe80::1",
        "fd00:ec2::254",
        "100.100.100.200",
        "168.63.129.16",
        "0.0.0.0",  # noqa: S104 - to be refused
        "::",
        "224.0.0.1",
    ],
)
def test_addresses_that_are_always_refused(address: str) -> None:
    found = ipaddress.ip_address(address)

    assert checkout.refusal(found, is_private_allowed=True)
    assert checkout.refusal(found, is_private_allowed=False)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "::1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "fc00::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
    ],
)
def test_private_addresses_are_up_to_the_operator(address: str) -> None:
    found = ipaddress.ip_address(address)

    assert not checkout.refusal(found, is_private_allowed=True)
    assert checkout.refusal(found, is_private_allowed=False)


@pytest.mark.parametrize("address", ["140.82.121.4", "2606:50c0:8000::64", "::ffff:140.82.121.4"])
def test_public_addresses_are_allowed(address: str) -> None:
    assert not checkout.refusal(ipaddress.ip_address(address), is_private_allowed=False)


def test_one_bad_address_among_good_ones_is_refused(
    resolve: Resolve, allow: Callable[[bool], None], capsys: pytest.CaptureFixture[str]
) -> None:
    resolve("140.82.121.4", "169.254.169.254")
    allow(True)

    with pytest.raises(SystemExit) as refused:
        checkout.addresses("https://git.example.org/x")

    assert refused.value.code == checkout.NOT_FOUND
    assert "git.example.org is at 169.254.169.254" in capsys.readouterr().out


def test_git_connects_to_the_address_that_was_looked_at(
    resolve: Resolve, allow: Callable[[bool], None], tmp_path: Path
) -> None:
    """The system knows no such host: only what was resolved before leads there."""
    resolve("127.0.0.1")
    allow(True)
    with GitServer() as server:
        wanted = server.commit("pinned", {"ex.py": "1"})

        commit = checkout.fetch(str(tmp_path), f"http://git.invalid:{server.port}/pinned", "")

    assert commit == wanted


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1\\@git.example.org/x",
        "http://git.example.org./x",
        "http://me@git.example.org/x",
        "http://git.example.org:99999/x",
        "http://git.example.org:0/x",
        "http://git.example.org /x",
        "http://g\N{LATIN SMALL LETTER I WITH DIAERESIS}t.example.org/x",
        "http://[fe80::1%25eth0]/x",
        "http:///x",
    ],
)
def test_addresses_that_could_be_read_in_two_ways(url: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as refused:
        checkout.fetch(str(tmp_path), url, "")

    assert refused.value.code == checkout.NOT_FOUND
    assert not (tmp_path / ".git").exists()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433", "[::1]"])
def test_every_way_to_write_this_machine(
    host: str, allow: Callable[[bool], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    allow(False)

    with pytest.raises(SystemExit):
        checkout.fetch(str(tmp_path), f"http://{host}:9/x", "")

    assert "which the operator forbids" in capsys.readouterr().out


def test_host_that_only_a_proxy_knows(
    monkeypatch: pytest.MonkeyPatch, allow: Callable[[bool], None]
) -> None:
    allow(False)

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    monkeypatch.setenv("https_proxy", "http://proxy.example.org:3128")

    assert checkout.addresses("https://git.example.org/x") == []


def test_job_on_local_is_refused_with_a_sentence(tmp_path: Path, git: GitServer) -> None:
    """F219."""
    state = tmp_path / "state"
    cloud = LocalCloud({"root": state, "cores": 4, "git_private_addresses": False})
    fake_runtime.install(state)
    case = Case(cloud, fake_runtime.VERSION, git, seconds=60)
    spec = case.cluster(nodes=1)
    cloud._clusters.reservations.reserve(spec)
    git.commit("inside", {"ex.py": "print(1)"})
    command = case.command(spec, "ex.py", source="inside")

    done = run_to_end(case, command)

    asked = [path for path in git.requests if "inside" in path]
    assert done.reason == "SourceNotFound"
    assert done.message.startswith("127.0.0.1 is at 127.0.0.1, an address of this machine")
    assert not asked
    assert done.message in [line.text for line in log_of(case, command)]
    case.clean_up()
