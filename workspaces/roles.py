"""The table of rights in readable words (K13), drawn from the one that decides."""

from __future__ import annotations

from workspaces.permissions import ORGANIZATION_ACTIONS, WORKSPACE_ACTIONS, OrgRole, Role

ROLE_WORDS: dict[str, dict[str, str]] = {
    "organization": {
        OrgRole.OWNER: "May everything, and hands the organization over.",
        OrgRole.ADMIN: "Manages people, clouds and every workspace.",
        OrgRole.BILLING: "Sees what it costs, and no workspace.",
        OrgRole.MEMBER: "Sees the workspaces they were invited to.",
    },
    "workspace": {
        Role.ADMIN: "Manages people and everything in the workspace.",
        Role.MEMBER: "Creates and removes clusters and jobs.",
        Role.VIEWER: "Looks, and changes nothing.",
    },
}

_ACTION_WORDS = {
    "organization.view": "See the dashboard",
    "organization.transfer": "Hand the organization over",
    "organization_member.view": "See all users",
    "organization_member.invite": "Invite users",
    "organization_member.change": "Change roles",
    "organization_member.remove": "Remove users",
    "organization_member.leave": "Leave the organization",
    "organization_timeline.view": "See the timeline of everything",
    "workspace.list": "List one's workspaces",
    "workspace.view": "See the workspace",
    "workspace.remove": "Remove the workspace",
    "workspace.retry": "Deploy it again after a failure",
    "workspace.change": "Change its settings",
    "member.view": "See its users",
    "member.invite": "Invite users",
    "member.change": "Change roles",
    "member.remove": "Remove users",
    "member.leave": "Leave the workspace",
    "timeline.view": "See the timeline",
    "notebook.view": "See all notebook servers",
    "notebook.create": "Create notebooks of one's own",
    "notebook.change": "Start, pause and remove one's own notebooks",
    "notebook.open": "Open one's own notebooks",
    "notebook.manage": "Pause, restart and remove everybody's notebooks",
    "file.view": "See and download shared files",
    "file.write": "Upload, rename, move and delete shared files",
}
_VERBS = {"view": "See"}


def action_words(action: str) -> str:
    """ "cluster.create" is "Create clusters", unless the list above knows better."""
    if action in _ACTION_WORDS:
        return _ACTION_WORDS[action]
    noun, _, verb = action.partition(".")
    words = _VERBS.get(verb, verb.capitalize()).replace("_", " ")
    return f"{words} {noun.replace('_', ' ')}s"


def role_table(kind: str) -> dict[str, object]:
    """For ``workspaces/_roles.html``; ``kind`` is "organization" or "workspace"."""
    is_workspace = kind == "workspace"
    actions = WORKSPACE_ACTIONS if is_workspace else ORGANIZATION_ACTIONS
    roles: list[tuple[str, str]] = list(Role.choices if is_workspace else OrgRole.choices)
    return {
        "heads": [label for _, label in roles],
        "meanings": [(label, ROLE_WORDS[kind][role]) for role, label in roles],
        "rows": [
            (action_words(action), [role in allowed for role, _ in roles])
            for action, allowed in actions.items()
        ],
    }
