"""Who may do what with a notebook server: the one place that knows whose it is (K11, K13).

The table of roles says what somebody may do with their own. What is another's needs
``notebook.manage``, and nobody opens it, no Admin either.
"""

from __future__ import annotations

from collections.abc import Iterable

from accounts.models import User
from workspaces.models import Notebook, OrganizationMembership, WorkspaceMembership
from workspaces.permissions import OrgRole, Role, role_may


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
    users = {row.owner_id for row in rows}
    managers = set(
        OrganizationMembership.objects.filter(
            user__in=users, role__in=(OrgRole.OWNER, OrgRole.ADMIN)
        ).values_list("organization", "user")
    )
    roles: dict[tuple[int, int | None], str] = {
        (workspace, user): role
        for workspace, user, role in WorkspaceMembership.objects.filter(
            user__in=users, workspace__in={row.workspace_id for row in rows}
        ).values_list("workspace", "user", "role")
    }

    def role_of_owner(row: Notebook) -> str | None:
        if (row.workspace.organization_id, row.owner_id) in managers:
            return Role.ADMIN.value
        return roles.get((row.workspace_id, row.owner_id))

    return [
        row
        for row in rows
        if row.owner is None
        or not row.owner.is_active
        or row.owner.is_locked
        or not may_open(row.owner, role_of_owner(row), row)
    ]
