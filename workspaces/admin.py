"""What operators see in the admin. Rows that services own are read there and not written."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from workspaces.models import (
    CloudConfiguration,
    CloudResource,
    Invitation,
    Notebook,
    Operation,
    Organization,
    TimelineEntry,
    Workspace,
)


class ReadOnlyAdmin(admin.ModelAdmin[Any]):
    """Changes go through the services, which write the timeline and keep the meter right."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False


@admin.register(Organization)
class OrganizationAdmin(ReadOnlyAdmin):
    list_display = ["name", "uuid", "created_at"]
    search_fields = ["name", "uuid"]


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyAdmin):
    list_display = ["email", "organization", "workspace", "role", "expires_at", "accepted_at"]
    search_fields = ["email", "uuid"]
    list_select_related = ["organization", "workspace"]
    exclude = ["token_hash"]


@admin.register(CloudConfiguration)
class CloudConfigurationAdmin(ReadOnlyAdmin):
    list_display = ["name", "organization", "provider", "status"]
    list_filter = ["provider", "status"]
    list_select_related = ["organization"]


@admin.register(Workspace)
class WorkspaceAdmin(ReadOnlyAdmin):
    list_display = ["name", "organization", "status", "region", "created_at"]
    list_filter = ["status"]
    search_fields = ["name", "uuid"]
    list_select_related = ["organization"]


@admin.register(Notebook)
class NotebookAdmin(ReadOnlyAdmin):
    list_display = ["name", "owner", "workspace", "state", "instance_type", "last_activity_at"]
    list_filter = ["state", "is_default"]
    search_fields = ["name", "uuid", "owner__email"]
    list_select_related = ["owner", "workspace"]
    exclude = ["sealed_token"]


@admin.register(Operation)
class OperationAdmin(ReadOnlyAdmin):
    list_display = ["kind", "target_uuid", "status", "percent", "message", "source", "created_at"]
    list_filter = ["status", "kind", "source"]
    search_fields = ["uuid", "target_uuid"]


@admin.register(CloudResource)
class CloudResourceAdmin(ReadOnlyAdmin):
    list_display = ["kind", "name", "level", "announced_at", "created_at", "gone_at"]
    list_filter = ["level", "kind"]
    search_fields = ["name", "provider_id", "owner_uuid"]


@admin.register(TimelineEntry)
class TimelineEntryAdmin(ReadOnlyAdmin):
    list_display = ["at", "action", "target_name", "actor", "source", "reason"]
    list_filter = ["action", "source"]
    search_fields = ["target_uuid", "target_name"]
    list_select_related = ["actor"]
