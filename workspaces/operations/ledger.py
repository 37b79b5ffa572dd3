"""The database side of ``ResourceLedger``: what a driver made, written before and after."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from workspaces.clouds.base import Level
from workspaces.models import CloudResource, Operation, Workspace


class Superseded(Exception):  # noqa: N818 - not an error: another operation has taken over
    """The claim under which this step runs is no longer the newest."""


class Ledger:
    """Writes on behalf of one claim of one operation; see ``ResourceLedger``."""

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        self._owner: UUID = operation.target_uuid

    @transaction.atomic
    def announce(self, kind: str, name: str, *, level: Level) -> None:
        """Raises Superseded when the claim is gone: a stale step must start nothing new."""
        held = Operation.objects.select_for_update().filter(
            pk=self._operation.pk,
            fence=self._operation.fence,
            status=Operation.Status.INPROGRESS,
        )
        if not held.exists():
            raise Superseded
        resource, is_new = CloudResource.objects.get_or_create(
            owner_uuid=self._owner,
            kind=kind,
            name=name,
            defaults={
                "workspace": self._workspace(),
                "level": level.value,
                "announced_at": timezone.now(),
            },
        )
        if not is_new and resource.gone_at is not None:
            resource.created_at = resource.removed_at = resource.gone_at = None
            resource.announced_at = timezone.now()
            resource.save(update_fields=["created_at", "removed_at", "gone_at", "announced_at"])

    def record(self, kind: str, name: str, *, provider_id: str) -> None:
        self._rows(kind, name).filter(created_at=None).update(
            provider_id=provider_id, created_at=timezone.now()
        )

    def removed(self, kind: str, name: str) -> None:
        self._rows(kind, name).filter(removed_at=None).update(removed_at=timezone.now())

    def confirm_gone(self, kind: str, name: str) -> None:
        self._rows(kind, name).filter(gone_at=None).update(gone_at=timezone.now())

    def open_resources(self) -> Sequence[tuple[str, str]]:
        rows = CloudResource.objects.open().filter(owner_uuid=self._owner).order_by("-pk")
        return list(rows.values_list("kind", "name"))

    def _rows(self, kind: str, name: str) -> QuerySet[CloudResource]:
        return CloudResource.objects.filter(owner_uuid=self._owner, kind=kind, name=name)

    def _workspace(self) -> Workspace:
        workspace = self._operation.workspace
        assert workspace is not None, "resources belong to a workspace"  # noqa: S101 - invariant
        return workspace
