from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from workspaces.models import Notebook, Workspace
from workspaces.notebooks.access import ticket_issue
from workspaces.secrets import seal

TOKEN = "b5b1f3a0c0ffee00b5b1f3a0c0ffee00b5b1f3a0c0ffee00"


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
