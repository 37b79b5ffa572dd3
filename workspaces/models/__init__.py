"""Everything that an organization owns, and the operations that work on it."""

from workspaces.models.clouds import CloudConfiguration, CloudDraft, CloudResource
from workspaces.models.heartbeats import Heartbeat
from workspaces.models.invitations import Invitation
from workspaces.models.notebooks import Notebook, NotebookAccess
from workspaces.models.operations import (
    ControllerLease,
    Operation,
    OperationEvent,
    PeriodicDuty,
)
from workspaces.models.organizations import Organization, OrganizationMembership
from workspaces.models.timeline import TimelineEntry
from workspaces.models.workspaces import Workspace, WorkspaceMembership

__all__ = [
    "CloudConfiguration",
    "CloudDraft",
    "CloudResource",
    "ControllerLease",
    "Heartbeat",
    "Invitation",
    "Notebook",
    "NotebookAccess",
    "Operation",
    "OperationEvent",
    "Organization",
    "OrganizationMembership",
    "PeriodicDuty",
    "TimelineEntry",
    "Workspace",
    "WorkspaceMembership",
]
