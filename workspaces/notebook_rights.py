"""Who may do what with a notebook server: the one place that knows whose it is (K11, K13).

The table of roles says what somebody may do with their own. What is another's needs
``notebook.manage``, and nobody opens it, no Admin either.
"""

from __future__ import annotations

from collections.abc import Iterable

from accounts.models import User
from workspaces.models import Notebook
from workspaces.permissions import role_may, workspace_roles


def may_open(user: User, role: str | None, notebook: Notebook) -> bool:
    """``role`` is the user's in the notebook's workspace."""
    return notebook.owner_id == user.pk and role_may(role, "notebook.open")


def may_change(user: User, role: str | None, notebook: Notebook) -> bool:
    """Start, pause, restart, reset, remove."""
    is_own = notebook.owner_id == user.pk
    return role_may(role, "notebook.manage") or (is_own and role_may(role, "notebook.change"))


def without_right(notebooks: Iterable[Notebook]) -> list[Notebook]:
    """Those that their owner may not open any more: gone, locked, deactivated, out of the
    workspace or a Viewer now. Two queries for all of them; ``owner`` and ``workspace`` are read.
    """
    rows = list(notebooks)
    roles = workspace_roles((row.owner, row.workspace) for row in rows if row.owner)
    return [row for row in rows if not _has_owner_with_right(row, roles)]


def _has_owner_with_right(notebook: Notebook, roles: dict[tuple[int, int], str]) -> bool:
    owner = notebook.owner
    if owner is None or not owner.is_active or owner.is_locked:
        return False
    return may_open(owner, roles.get((owner.pk, notebook.workspace_id)), notebook)
