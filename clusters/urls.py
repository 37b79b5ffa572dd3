from __future__ import annotations

from django.urls import path

from clusters import views

app_name = "clusters"
urlpatterns = [
    path("", views.cluster_list, name="list"),
    path("create/", views.cluster_create_page, name="create"),
    path("bulk/", views.cluster_bulk_action, name="bulk"),
    path("<uuid:cluster>/", views.cluster_detail, name="detail"),
    path("<uuid:cluster>/row/", views.cluster_row, name="row"),
    path("<uuid:cluster>/panel/", views.cluster_panel, name="panel"),
    path("<uuid:cluster>/remove/", views.cluster_remove_action, name="remove"),
    path("<uuid:cluster>/retry/", views.cluster_retry_action, name="retry"),
    path("<uuid:cluster>/edit/", views.cluster_edit_page, name="edit"),
    *[
        path(f"<uuid:cluster>/{verb}/", views.cluster_act_action, {"verb": verb}, name=verb)
        for verb in ("pause", "resume", "stop", "start", "restart", "verify", "snooze")
    ],
]
