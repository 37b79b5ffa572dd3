"""The timeline: who, what, why, before and after."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from django.utils import timezone

from workspaces.models import Organization, TimelineEntry, Workspace
from workspaces.operations.lifecycle import Actor


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
