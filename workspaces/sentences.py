"""Timeline entries as sentences: "Ada Lovelace created cluster Alpha"."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from workspaces.models import TimelineEntry, Workspace

_WHOLE = {
    "invitation.create": "invited",
    "invitation.resend": "sent again the invitation to",
    "invitation.revoke": "revoked the invitation to",
    "invitation.accept": "accepted the invitation sent to",
    "member.change": "changed the role of",
    "member.remove": "removed user",
    "member.leave": "gave up the membership of",
    "organization.transfer": "made Owner",
    "cluster.lost": "found no machine of cluster",
    "cluster.reshape": "changed the nodes of cluster",
    "cluster.snooze": "put off the pause of cluster",
    "cluster.clean": "cleaned up after cluster",
    "cluster.attach": "attached a notebook to cluster",
    "cluster.detach": "detached a notebook from cluster",
    "notebook.lost": "found no server of notebook",
    "workspace.configure": "changed the notebook configuration of workspace",
}
_PAST = {
    "run": "ran",
    "cancel": "cancelled",
    "stop": "stopped",
    "submit": "submitted",
    "set": "set",
    "reset": "reset",
    "put": "put",
}
_SOURCES = {
    "timer": "The platform",
    "job": "A job",
    "operator": "An operator",
    "user": "Somebody",
    "budget": "A budget",
}
_ICONS = {
    "cluster": "server",
    "job": "player-play",
    "notebook": "notebook",
    "workspace": "stack-2",
    "organization": "building",
    "cloud_configuration": "cloud",
    "member": "users",
    "invitation": "mail",
    "file": "file",
    "folder": "folder",
}


@dataclass(frozen=True)
class Change:
    field: str
    before: str
    after: str


@dataclass(frozen=True)
class Sentence:
    who: str
    did: str
    what: str
    icon: str
    target_uuid: UUID
    workspace: Workspace | None
    at: datetime
    source: str
    reason: str
    changes: list[Change]


def sentence_of(entry: TimelineEntry) -> Sentence:
    noun = entry.action.partition(".")[0]
    return Sentence(
        who=_who(entry),
        did=action_in_past(entry.action),
        what=entry.target_name,
        icon=_ICONS.get(noun, "point"),
        target_uuid=entry.target_uuid,
        workspace=entry.workspace,
        at=entry.at,
        source=entry.source if entry.source.lower() != "user" else "",
        reason=entry.reason,
        changes=_changes(entry),
    )


def action_in_past(action: str) -> str:
    """ "cluster.create" is "created cluster"; an action without a verb of ours still reads."""
    if action in _WHOLE:
        return _WHOLE[action]
    noun, _, verb = action.replace("_", " ").partition(".")
    return f"{_past(verb)} {noun}"


def _past(verb: str) -> str:
    first, space, rest = verb.partition(" ")
    if first in _PAST:
        past = _PAST[first]
    elif first.endswith("e"):
        past = f"{first}d"
    elif first.endswith("y") and first[-2:-1] not in "aeiou":
        past = f"{first[:-1]}ied"
    else:
        past = first if first.endswith("ed") else f"{first}ed"
    return f"{past}{space}{rest}"


def _who(entry: TimelineEntry) -> str:
    if entry.actor:
        return entry.actor.get_full_name() or entry.actor.email
    return _SOURCES.get(entry.source.lower(), "The platform")


def _changes(entry: TimelineEntry) -> list[Change]:
    """Only what differs: equal values on both sides tell nothing."""
    fields = list(dict.fromkeys([*entry.before, *entry.after]))
    return [
        Change(
            field.replace("_", " "), _shown(entry.before.get(field)), _shown(entry.after.get(field))
        )
        for field in fields
        if entry.before.get(field) != entry.after.get(field)
    ]


def _shown(value: object) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{key}: {item}" for key, item in value.items())
    return str(value)
