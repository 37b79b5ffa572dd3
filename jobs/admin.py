from __future__ import annotations

from django.contrib import admin

from jobs.models import Job
from workspaces.admin import ReadOnlyAdmin


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    list_display = ["name", "workspace", "cluster", "state", "reason", "exit_code", "created_at"]
    list_filter = ["state", "reason"]
    search_fields = ["name", "uuid"]
    list_select_related = ["workspace", "cluster"]
    exclude = ["environment_sealed", "password_sealed"]
