"""Every address of the platform. A test fails when one of them names no action."""

from __future__ import annotations

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django_q.models import Failure, OrmQ, Schedule, Success

from bodoweb import mailbox, views
from bodoweb.healthz import healthz
from workspaces import notebook_urls
from workspaces.views import members

# Sign-in to the admin goes by the same limits and lock-out as everywhere. Django documents the
# assignment, and allauth's decorator is untyped: hence the two ignores.
admin.site.login = secure_admin_login(  # type: ignore[method-assign,no-untyped-call]
    admin.site.login
)
admin.site.site_header = admin.site.site_title = "bodoweb operators"
# Their arguments are pickles and their functions anything importable: whoever may edit them runs
# commands as the worker.
admin.site.unregister([Schedule, Success, Failure, OrmQ])

handler400 = "bodoweb.views.bad_request"
handler403 = "bodoweb.views.permission_denied"
handler404 = "bodoweb.views.page_not_found"
handler500 = "bodoweb.views.server_error"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.home, name="home"),
    path("o/<uuid:organization>/", views.dashboard, name="dashboard"),
    path("o/<uuid:organization>/cloud-configurations/", include("workspaces.cloud_urls")),
    path("", include("workspaces.urls")),
    path("", include("workspaces.member_urls")),
    path("memberships/", members.membership_list, name="own_memberships"),
    path("", include("workspaces.timeline_urls")),
    path("w/<uuid:workspace>/clusters/", include("clusters.urls")),
    path("w/<uuid:workspace>/jobs/", include("jobs.urls")),
    path("w/<uuid:workspace>/files/", include("workspaces.file_urls")),
    path("w/<uuid:workspace>/notebooks/", include((notebook_urls.own, "notebooks"))),
    path("w/<uuid:workspace>/my-notebook/", include((notebook_urls.mine, "my_notebook"))),
    path("w/<uuid:workspace>/settings/", include((notebook_urls.settings, "settings"))),
    path("help/", views.help_page, name="help"),
    path("terms/", views.terms, name="terms"),
    path("theme/", views.theme, name="theme"),
    path("accounts/signup/", views.signup, name="account_signup"),
    path("accounts/", include("accounts.urls")),
    path("healthz", healthz, name="healthz"),
    path("mailbox/", mailbox.mailbox, name="mailbox"),
    path("mailbox/<slug:key>/", mailbox.mail, name="mail"),
    path("admin/", admin.site.urls),
]
