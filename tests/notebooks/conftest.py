from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from django.db import connections
from django.db.backends.signals import connection_created
from django.test import Client
from django.utils import timezone

from accounts.models import User
from tests.notebooks.browsing import Browser, Served
from tests.notebooks.jupyter import TOKEN, Jupyter
from workspaces.models import Notebook, Workspace
from workspaces.notebooks.access import ticket_issue
from workspaces.notebooks.addresses import origin_of
from workspaces.notebooks.origin import NotebookOrigin
from workspaces.secrets import seal


@pytest.fixture
def make_notebook(workspace: Workspace) -> Callable[..., Notebook]:
    """A RUNNING one at ``address`` that expects TOKEN."""

    def make(owner: User, name: str = "My Notebook", **fields: Any) -> Notebook:
        made = Notebook(
            uuid=uuid4(),
            workspace=workspace,
            owner=owner,
            name=name,
            instance_type="c5.large",
            vcpus=2,
            cores=1,
            memory_mib=4096,
            state=Notebook.State.RUNNING,
            created_at=timezone.now(),
        )
        for field, value in fields.items():
            setattr(made, field, value)
        made.sealed_token = seal(TOKEN, context=made.token_context)
        made.save()
        return made

    return make


@dataclass
class Person:
    """Somebody signed in to the platform with a browser of their own."""

    user: User
    client: Client

    def ticket(self, notebook: Notebook) -> str:
        """The address that the platform would send the browser to."""
        return ticket_issue(
            notebook=notebook,
            user=self.user,
            session_key=self.client.session.session_key or "",
            session_hash=self.user.get_session_auth_hash(),
            now=timezone.now(),
        )


@pytest.fixture
def person(
    member: Callable[..., User], workspace: Workspace, signed_in: Callable[[User], Client]
) -> Callable[..., Person]:
    def make(role: str = "MEMBER") -> Person:
        user = member(role, workspace if role in {"ADMIN", "MEMBER", "VIEWER"} else None)
        return Person(user, signed_in(user))

    return make


@pytest.fixture
def threads_may_read(transactional_db: None) -> Iterator[None]:
    """Other threads use the test database, and let go of it after each use.

    SQLite in memory knows locks of tables, which nobody waits for; dirty reads need none.
    """

    def read_uncommitted(connection: Any, **_: Any) -> None:
        if connection.vendor == "sqlite":
            connection.cursor().execute("PRAGMA read_uncommitted = 1")

    default = connections["default"]
    age, default.settings_dict["CONN_MAX_AGE"] = default.settings_dict["CONN_MAX_AGE"], 0
    connection_created.connect(read_uncommitted)
    read_uncommitted(default)
    yield
    connection_created.disconnect(read_uncommitted)
    default.settings_dict["CONN_MAX_AGE"] = age


@pytest.fixture(scope="session")
def running_jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    server = Jupyter(tmp_path_factory.mktemp("jupyter"))
    server.start()
    yield server
    server.close()


@pytest.fixture
def jupyter(running_jupyter: Jupyter) -> Jupyter:
    running_jupyter.seen.clear()
    running_jupyter.closed_with.clear()
    return running_jupyter


@pytest.fixture
def routes() -> dict[str, Any]:
    """What the origin answers below /_bodoweb/; a test may fill it."""
    return {}


@pytest.fixture
def port(threads_may_read: None, settings: Any, routes: dict[str, Any]) -> Iterator[int]:
    """Of a real server with the notebook origin."""
    listener = socket.create_server(("127.0.0.1", 0))
    settings.NOTEBOOK_ORIGIN = f"http://nb-{{uuid}}.localhost:{listener.getsockname()[1]}"
    with Served(NotebookOrigin(routes), listener) as served:
        yield served.port


@dataclass
class Inside:
    """A person with a browser that has entered a notebook."""

    person: Person
    browser: Browser
    notebook: Notebook

    @property
    def origin(self) -> str:
        return origin_of(self.notebook.uuid)


@pytest.fixture(params=["unix", "tcp"])
def address(request: pytest.FixtureRequest, jupyter: Jupyter) -> str:
    """Where Jupyter listens; ask for it to run a test on both."""
    return jupyter.unix_address if request.param == "unix" else jupyter.tcp_address


@pytest.fixture
def enter(
    port: int,
    jupyter: Jupyter,
    person: Callable[..., Person],
    make_notebook: Callable[..., Notebook],
) -> Callable[..., Inside]:
    def make(who: Person | None = None, **fields: Any) -> Inside:
        who = who or person()
        notebook = make_notebook(who.user, **{"address": jupyter.unix_address, **fields})
        browser = Browser(port)
        answer = browser.visit(who.ticket(notebook))
        assert answer.status == 200, answer.text
        return Inside(who, browser, notebook)

    return make
