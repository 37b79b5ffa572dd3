from __future__ import annotations

from django.urls import path

from workspaces.team_views import team_paths
from workspaces.views import invitations, members

app_name = "members"
urlpatterns = [
    *team_paths("members/", members.member_list, "list"),
    *team_paths("members/invite/", members.member_invite, "invite"),
    *team_paths("members/leave/", members.member_leave_action, "leave"),
    *team_paths("members/<uuid:member>/role/", members.member_role, "role"),
    *team_paths("members/<uuid:member>/remove/", members.member_remove_action, "remove"),
    *team_paths(
        "invitations/<uuid:invitation>/resend/", members.invitation_resend_action, "resend"
    ),
    *team_paths(
        "invitations/<uuid:invitation>/revoke/", members.invitation_revoke_action, "revoke"
    ),
    path(
        "o/<uuid:organization>/members/transfer/",
        members.organization_transfer,
        name="organization_transfer",
    ),
    path(
        "invitations/<uuid:invitation>/<str:secret>/",
        invitations.invitation_page,
        name="invitation",
    ),
]
