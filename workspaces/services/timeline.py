"""The timeline: who, what, why, before and after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol
from uuid import UUID

from django.utils import timezone

from workspaces.models import Organization, TimelineEntry, Workspace
from workspaces.operations.lifecycle import Actor

NAME_LENGTH = 120


def timeline_record(
    *,
    organization: Organization,
    workspace: Workspace | None = None,
    actor: Actor,
    action: str,
    target_uuid: UUID,
    target_name: str,
    reason: str = "",
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> TimelineEntry:
    """Call it in the transaction that makes the change. Never pass a secret."""
    return TimelineEntry.objects.create(
        organization=organization,
        workspace=workspace,
        actor=actor.user,
        source=actor.source,
        action=action,
        target_uuid=target_uuid,
        target_name=target_name,
        reason=reason,
        before=dict(before or {}),
        after=dict(after or {}),
        at=timezone.now(),
    )


class Target(Protocol):
    """What things happen to: a row with a uuid, and with a name or an e-mail address."""

    @property
    def uuid(self) -> UUID: ...


def timeline_note(
    scope: Organization | Workspace,
    target: Target,
    actor: Actor,
    action: str,
    *,
    name: str = "",
    reason: str = "",
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> TimelineEntry:
    """``timeline_record`` of a row, by its own name unless another is given."""
    own_name = getattr(target, "name", "") or getattr(target, "email", "")
    return timeline_record(
        organization=scope.organization if isinstance(scope, Workspace) else scope,
        workspace=scope if isinstance(scope, Workspace) else None,
        actor=actor,
        action=action,
        target_uuid=target.uuid,
        target_name=(name or own_name)[:NAME_LENGTH],
        reason=reason,
        before=before,
        after=after,
    )
