from __future__ import annotations

from django.urls import path

from workspaces.views import workspaces

app_name = "workspaces"
urlpatterns = [
    path("o/<uuid:organization>/workspaces/", workspaces.workspace_list, name="list"),
    path(
        "o/<uuid:organization>/workspaces/create/", workspaces.workspace_create_page, name="create"
    ),
    path("w/<uuid:workspace>/", workspaces.workspace_detail, name="detail"),
    path("w/<uuid:workspace>/row/", workspaces.workspace_row, name="row"),
    path("w/<uuid:workspace>/panel/", workspaces.workspace_panel, name="panel"),
    path("w/<uuid:workspace>/retry/", workspaces.workspace_retry_action, name="retry"),
    path("w/<uuid:workspace>/remove/", workspaces.workspace_remove_action, name="remove"),
]
