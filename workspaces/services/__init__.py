"""All writes to organizations, cloud configurations and workspaces."""

from workspaces.services.clouds import (
    CloudConfigurationInUse,
    cloud_configuration_create,
    cloud_configuration_remove,
    cloud_of,
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
    "WorkspaceInUse",
    "WorkspaceRefused",
    "cloud_configuration_create",
    "cloud_configuration_remove",
    "cloud_of",
    "organization_create",
    "timeline_record",
    "workspace_create",
    "workspace_mark_deploying",
    "workspace_mark_failed",
    "workspace_mark_ready",
    "workspace_mark_terminated",
    "workspace_remove",
    "workspace_retry",
]
