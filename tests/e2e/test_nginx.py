"""Platform and notebooks behind one nginx with TLS, by the example in docs/nginx."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator

import pytest
from websockets.sync.client import connect

from tests.nginx import Nginx
from tests.notebooks.guests import Guest, invite, jupyter_process, unwatched_stack
from tests.stack import Stack, free_port
from tests.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

MIB = 2**20
NAME = "bodo.example.org"


@pytest.fixture(scope="module")
def https() -> int:
    return free_port()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, https: int) -> Iterator[Stack]:
    environment = {
        "BODO_PUBLIC_URL": f"https://{NAME}:{https}",
        "BODO_NOTEBOOK_ORIGIN": f"https://nb-{{uuid}}.notebooks.example:{https}",
        "BODO_TRUSTED_PROXY_COUNT": "1",
    }
    with unwatched_stack(tmp_path_factory.mktemp("behind-nginx"), environment) as running:
        yield running


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory, stack: Stack, https: int) -> Iterator[Nginx]:
    ports = {"platform": stack.port, "notebooks": stack.notebook_port}
    home = tmp_path_factory.mktemp("nginx")
    with Nginx(home, https=https, http=free_port(), **ports) as running:
        yield running


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory, stack: Stack) -> Iterator[Guest]:
    with jupyter_process(tmp_path_factory.mktemp("jupyter")) as (address, _):
        yield invite(stack, stack.demo(), address)


class Client:
    """Asks 127.0.0.1 for hosts that no DNS knows, and checks their certificates."""

    def __init__(self, nginx: Nginx, port: int) -> None:
        self.context = ssl.create_default_context(cafile=str(nginx.certificate))
        self._port = port
        self.cookie = ""

    def line(self, netloc: str) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self._port), timeout=30)
        return self.context.wrap_socket(plain, server_hostname=netloc.partition(":")[0])

    def ask(
        self,
        netloc: str,
        path: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[http.client.HTTPResponse, bytes]:
        connection = http.client.HTTPConnection(netloc.partition(":")[0])
        connection.sock = self.line(netloc)
        sent = {"Host": netloc, "Cookie": self.cookie, "Origin": f"https://{netloc}"}
        connection.request(method, path, body, {**sent, **(headers or {})})
        answer = connection.getresponse()
        return answer, answer.read()


@pytest.fixture(scope="module")
def client(nginx: Nginx, https: int, guest: Guest) -> Client:
    """It has entered the notebook."""
    made = Client(nginx, https)
    answer, _ = made.ask(guest.netloc, guest.ticket.removeprefix(guest.origin))
    assert answer.status == 303
    made.cookie = (answer.headers["Set-Cookie"] or "").partition(";")[0]
    words = answer.headers["Set-Cookie"].split("; ")
    assert made.cookie.startswith("__Host-bodoweb-notebook=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(words)
    return made


def test_the_platform_knows_that_it_is_asked_over_tls(client: Client, https: int) -> None:
    answer, page = client.ask(f"{NAME}:{https}", "/accounts/login/")

    assert answer.status == 200
    assert "__Host-csrftoken=" in str(answer.headers)
    assert f"https://*.notebooks.example:{https}" in answer.headers["Content-Security-Policy"]
    assert b"csrfmiddlewaretoken" in page


def test_lab_is_there_and_without_the_token(client: Client, guest: Guest) -> None:
    answer, page = client.ask(guest.netloc, "/lab")

    assert answer.status == 200
    assert b'"token": ""' in page
    assert answer.headers["Strict-Transport-Security"]


def test_sockets_pass(client: Client, guest: Guest, https: int) -> None:
    plain = socket.create_connection(("127.0.0.1", https))
    with connect(
        f"wss://{guest.netloc}/api/kernels/k/channels",
        sock=plain,
        ssl=client.context,
        origin=guest.origin,  # type: ignore[arg-type]  # a str type
        additional_headers={"Cookie": client.cookie},
        proxy=None,
        max_size=None,
    ) as line:
        line.send("through nginx")
        assert line.recv(10) == "through nginx"
        line.send(bytes(MIB))
        assert line.recv(10) == bytes(MIB)


@pytest.mark.parametrize(("size", "status"), [(16 * MIB, 200), (16 * MIB + 1, 413)])
def test_the_limit_of_saves_is_ours(client: Client, guest: Guest, size: int, status: int) -> None:
    answer, said = client.ask(guest.netloc, "/api/contents/x.ipynb", "PUT", bytes(size))

    assert answer.status == status
    assert (b"16 MiB is the most that can be saved" in said) == (status == 413)


def test_a_page_of_another_site_changes_nothing(client: Client, guest: Guest) -> None:
    answer, _ = client.ask(
        guest.netloc, "/api/kernels", "POST", b"{}", {"Origin": "https://evil.example"}
    )

    assert answer.status == 403


def test_a_plain_address_leads_to_tls(nginx: Nginx, guest: Guest) -> None:
    plain = http.client.HTTPConnection("127.0.0.1", nginx.http, timeout=10)
    plain.request("GET", "/lab?x=1", headers={"Host": guest.netloc.partition(":")[0]})
    answer = plain.getresponse()

    assert answer.status == 301
    host = guest.netloc.partition(":")[0]
    assert answer.headers["Location"] == f"https://{host}/lab?x=1"


def test_the_ticket_is_in_no_log(nginx: Nginx, client: Client, guest: Guest, stack: Stack) -> None:
    client.ask(f"{NAME}:1", "/accounts/login/?logged=1")
    wait_until(lambda: "logged=1" in (nginx.home / "access.log").read_text())

    ticket = guest.ticket.partition("ticket=")[2]
    for log in ((nginx.home / "access.log").read_text(), stack.log()):
        assert ticket not in log
