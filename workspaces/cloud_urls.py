from __future__ import annotations

from django.urls import path

from workspaces.views import clouds

app_name = "clouds"
urlpatterns = [
    path("", clouds.cloud_configuration_list, name="list"),
    path("create/", clouds.cloud_configuration_create_page, name="create"),
    path("<uuid:configuration>/", clouds.cloud_configuration_detail, name="detail"),
    path("<uuid:configuration>/remove/", clouds.cloud_configuration_remove_action, name="remove"),
]
