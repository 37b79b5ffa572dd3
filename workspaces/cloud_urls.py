from __future__ import annotations

from django.urls import path

from workspaces.views import aws, clouds

app_name = "clouds"
urlpatterns = [
    path("", clouds.cloud_configuration_list, name="list"),
    path("create/", clouds.cloud_configuration_create_page, name="create"),
    path("drafts/<uuid:draft>/", aws.aws_draft_page, name="aws_draft"),
    path("drafts/<uuid:draft>/keys/", aws.aws_keys_action, name="aws_keys"),
    path("drafts/<uuid:draft>/finish/", aws.aws_finish_action, name="aws_finish"),
    path("drafts/<uuid:draft>/manual/", aws.aws_manual_action, name="aws_manual"),
    path("drafts/<uuid:draft>/role/", aws.aws_role_page, name="aws_role"),
    path("drafts/<uuid:draft>/policy.json", aws.aws_policy_file, name="aws_policy"),
    path("drafts/<uuid:draft>/discard/", aws.aws_draft_discard_action, name="aws_discard"),
    path("<uuid:configuration>/", clouds.cloud_configuration_detail, name="detail"),
    path("<uuid:configuration>/checks/", clouds.cloud_configuration_checks, name="checks"),
    path("<uuid:configuration>/shares/", clouds.cloud_configuration_shares, name="shares"),
    path(
        "<uuid:configuration>/prepare/", clouds.cloud_configuration_prepare_action, name="prepare"
    ),
    path("<uuid:configuration>/policy.json", clouds.cloud_configuration_policy, name="policy"),
    path("<uuid:configuration>/remove/", clouds.cloud_configuration_remove_action, name="remove"),
]
