from __future__ import annotations

from django.urls import path

from workspaces.views import invitations, members

app_name = "members"
urlpatterns = [
    path(
        "o/<uuid:organization>/members/",
        members.organization_member_list,
        name="organization_list",
    ),
    path(
        "o/<uuid:organization>/members/invite/",
        members.organization_member_invite,
        name="organization_invite",
    ),
    path(
        "o/<uuid:organization>/members/transfer/",
        members.organization_transfer,
        name="organization_transfer",
    ),
    path(
        "o/<uuid:organization>/members/<uuid:member>/role/",
        members.organization_member_role,
        name="organization_role",
    ),
    path(
        "o/<uuid:organization>/members/<uuid:member>/remove/",
        members.organization_member_remove,
        name="organization_remove",
    ),
    path(
        "o/<uuid:organization>/invitations/<uuid:invitation>/resend/",
        members.organization_invitation_resend,
        name="organization_resend",
    ),
    path(
        "o/<uuid:organization>/invitations/<uuid:invitation>/revoke/",
        members.organization_invitation_revoke,
        name="organization_revoke",
    ),
    path("w/<uuid:workspace>/members/", members.workspace_member_list, name="workspace_list"),
    path(
        "w/<uuid:workspace>/members/invite/",
        members.workspace_member_invite,
        name="workspace_invite",
    ),
    path(
        "w/<uuid:workspace>/members/<uuid:member>/role/",
        members.workspace_member_role,
        name="workspace_role",
    ),
    path(
        "w/<uuid:workspace>/members/<uuid:member>/remove/",
        members.workspace_member_remove,
        name="workspace_remove",
    ),
    path(
        "w/<uuid:workspace>/invitations/<uuid:invitation>/resend/",
        members.workspace_invitation_resend,
        name="workspace_resend",
    ),
    path(
        "w/<uuid:workspace>/invitations/<uuid:invitation>/revoke/",
        members.workspace_invitation_revoke,
        name="workspace_revoke",
    ),
    path(
        "invitations/<uuid:invitation>/<str:secret>/",
        invitations.invitation_page,
        name="invitation",
    ),
]
