from __future__ import annotations

from django.urls import path

from jobs import views

app_name = "jobs"
urlpatterns = [
    path("", views.job_list, name="list"),
    path("create/", views.job_create_page, name="create"),
    path("<uuid:job>/", views.job_detail, name="detail"),
    path("<uuid:job>/row/", views.job_row, name="row"),
    path("<uuid:job>/panel/", views.job_panel, name="panel"),
    path("<uuid:job>/log/", views.job_log, name="log"),
    path("<uuid:job>/cancel/", views.job_cancel_action, name="cancel"),
]
