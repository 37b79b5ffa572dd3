"""What the dashboard shows: the first steps of an organization, and what runs now (V05)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet
from django.urls import reverse

from clusters.idle import with_outlook
from clusters.models import Cluster
from jobs.models import Job
from workspaces.models import Notebook, Organization, Workspace
from workspaces.permissions import role_may

SHOWN = 10


@dataclass(frozen=True)
class OnboardingStep:
    number: int
    title: str
    done_title: str
    text: str
    icon: str
    is_done: bool
    url: str  # empty when the role may not, or an earlier step comes first


def onboarding_steps(
    organization: Organization, workspaces: QuerySet[Workspace], role: str
) -> list[OnboardingStep]:
    """Each step leads to its form, as soon as the step before it is done."""
    workspace = workspaces.filter(status=Workspace.Status.READY).first()
    has_cloud = organization.cloud_configurations.exists()
    has_cluster = Cluster.objects.filter(workspace__in=workspaces).exists()
    has_notebook = Notebook.objects.filter(workspace__in=workspaces).exists()
    has_job = Job.objects.filter(workspace__in=workspaces).exists()
    cloud_url = reverse("clouds:create", args=[organization.uuid])
    workspace_url = reverse("workspaces:create", args=[organization.uuid])
    in_workspace = {"workspace": workspace.uuid} if workspace else None
    cluster_url = reverse("clusters:create", kwargs=in_workspace) if in_workspace else ""
    notebook_url = reverse("notebooks:list", kwargs=in_workspace) if in_workspace else ""
    job_url = reverse("jobs:create", kwargs=in_workspace) if in_workspace else ""
    may_link = role_may(role, "cloud_configuration.create")
    may_create = role_may(role, "workspace.create") and has_cloud
    return [
        OnboardingStep(
            1,
            "Add your cloud configuration",
            "Cloud configuration added",
            "Say where clusters run: your own cloud account, or this machine.",
            "cloud",
            has_cloud,
            cloud_url if may_link else "",
        ),
        OnboardingStep(
            2,
            "Create first workspace",
            "First workspace created",
            "A shared file system and a network in one region.",
            "stack-2",
            workspaces.exists(),
            workspace_url if may_create else "",
        ),
        OnboardingStep(
            3,
            "Create first cluster",
            "First cluster created",
            "Pick an instance type and how many; it is ready in minutes.",
            "server-2",
            has_cluster,
            cluster_url,
        ),
        OnboardingStep(
            4,
            "Create first notebook",
            "First notebook created",
            "A JupyterLab of your own, whose cells run on the clusters.",
            "notebook",
            has_notebook,
            notebook_url,
        ),
        OnboardingStep(
            5,
            "Run first job",
            "First job run",
            "A Python file from a Git repository or the workspace, on every core.",
            "player-play",
            has_job,
            job_url if has_cluster else "",
        ),
    ]


@dataclass(frozen=True)
class Now:
    """What runs now: the first few, and how many there are in all."""

    clusters: list[Cluster]
    cluster_count: int
    notebook_count: int
    jobs: list[Job]
    job_count: int


def what_runs(workspaces: QuerySet[Workspace], now: datetime) -> Now:
    """Everything that costs, longest first, with who began it and when it will stop by itself."""
    clusters = Cluster.objects.filter(workspace__in=workspaces).running()
    jobs = Job.objects.filter(workspace__in=workspaces).unsettled()
    first = clusters.select_related("workspace", "created_by").order_by("ready_at", "pk")
    return Now(
        clusters=with_outlook(first[:SHOWN], now),
        cluster_count=clusters.count(),
        notebook_count=Notebook.objects.filter(workspace__in=workspaces).running().count(),
        jobs=list(jobs.select_related("workspace", "cluster")[:SHOWN]),
        job_count=jobs.count(),
    )
