from __future__ import annotations

from django.contrib import admin

from clusters.models import Cluster, UsageInterval
from workspaces.admin import ReadOnlyAdmin


@admin.register(Cluster)
class ClusterAdmin(ReadOnlyAdmin):
    list_display = ["name", "workspace", "state", "instance_type", "node_count", "created_at"]
    list_filter = ["state", "is_dedicated"]
    search_fields = ["name", "uuid"]
    list_select_related = ["workspace"]


@admin.register(UsageInterval)
class UsageIntervalAdmin(ReadOnlyAdmin):
    list_display = [
        "cluster",
        "organization",
        "instance_type",
        "node_count",
        "started_at",
        "ended_at",
    ]
    list_filter = ["provider", "end_reason"]
    list_select_related = ["cluster", "organization"]
