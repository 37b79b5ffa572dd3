from __future__ import annotations

from django.urls import path

from jobs.views import jobs, logs

app_name = "jobs"
urlpatterns = [
    path("", jobs.job_list, name="list"),
    path("create/", jobs.job_create_page, name="create"),
    path("<uuid:job>/", jobs.job_detail, name="detail"),
    path("<uuid:job>/row/", jobs.job_row, name="row"),
    path("<uuid:job>/panel/", jobs.job_panel, name="panel"),
    path("<uuid:job>/log/", logs.job_log, name="log"),
    path("<uuid:job>/log/download/", logs.job_log_download, name="log_download"),
    path("<uuid:job>/cancel/", jobs.job_cancel_action, name="cancel"),
    path("<uuid:job>/again/", jobs.job_again, name="again"),
]
