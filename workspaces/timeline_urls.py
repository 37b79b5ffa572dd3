from __future__ import annotations

from django.urls import path

from workspaces.views import timelines

app_name = "timeline"
urlpatterns = [
    path("o/<uuid:organization>/timeline/", timelines.organization_timeline, name="organization"),
    path("w/<uuid:workspace>/timeline/", timelines.workspace_timeline, name="workspace"),
]
