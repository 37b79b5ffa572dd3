"""All writes to organizations and their members, cloud configurations and workspaces."""

from workspaces.services.clouds import (
    CloudConfigurationInUse,
    cloud_configuration_create,
    cloud_configuration_remove,
    cloud_of,
)
from workspaces.services.files import (
    file_delete,
    file_move,
    file_upload,
    folder_create,
    workspace_files,
)
from workspaces.services.invitations import (
    InvitationRefused,
    invitation_accept,
    invitation_create,
    invitation_matches,
    invitation_resend,
    invitation_revoke,
    why_unusable,
)
from workspaces.services.members import (
    MemberRefused,
    member_remove,
    member_role_change,
    ownership_transfer,
)
from workspaces.services.organizations import organization_create
from workspaces.services.timeline import timeline_record
from workspaces.services.workspaces import (
    WorkspaceInUse,
    WorkspaceRefused,
    workspace_create,
    workspace_mark_deploying,
    workspace_mark_failed,
    workspace_mark_ready,
    workspace_mark_terminated,
    workspace_remove,
    workspace_retry,
)

__all__ = [
    "CloudConfigurationInUse",
    "InvitationRefused",
    "MemberRefused",
    "WorkspaceInUse",
    "WorkspaceRefused",
    "cloud_configuration_create",
    "cloud_configuration_remove",
    "cloud_of",
    "file_delete",
    "file_move",
    "file_upload",
    "folder_create",
    "invitation_accept",
    "invitation_create",
    "invitation_matches",
    "invitation_resend",
    "invitation_revoke",
    "member_remove",
    "member_role_change",
    "organization_create",
    "ownership_transfer",
    "timeline_record",
    "why_unusable",
    "workspace_create",
    "workspace_files",
    "workspace_mark_deploying",
    "workspace_mark_failed",
    "workspace_mark_ready",
    "workspace_mark_terminated",
    "workspace_remove",
    "workspace_retry",
]
