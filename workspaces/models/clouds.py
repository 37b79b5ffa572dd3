"""Linked cloud accounts, and the write-ahead record of everything made in them."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower

from workspaces.models.organizations import Organization


class CloudConfiguration(models.Model):
    class Provider(models.TextChoices):
        AWS = "aws", "AWS"
        AZURE = "azure", "Azure"
        LOCAL = "local", "Local"

    class Status(models.TextChoices):
        ACTIVE = "ACTIVE", "ACTIVE"
        FAILED = "FAILED", "FAILED"

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="cloud_configurations"
    )
    name = models.CharField("Name", max_length=80)
    provider = models.CharField(max_length=10, choices=Provider.choices)
    settings = models.JSONField(default=dict, blank=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.ACTIVE)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                "organization", Lower("name"), name="cloud_configuration_name_unique"
            ),
        ]

    def __str__(self) -> str:
        return self.name


def new_external_id() -> str:
    """Random, so that nobody can choose or guess another customer's."""
    return str(uuid.uuid4())


class CloudDraft(models.Model):
    """A cloud configuration that somebody is about to make: what is typed so far, no secret.

    Its External ID is shown, and put into a role, before the configuration exists (F071); the
    configuration takes over both ids and the draft goes. One per person and organization.
    """

    class Way(models.TextChoices):
        KEYS = "keys", "With Access Keys"
        MANUAL = "manual", "Manual Process"

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="cloud_drafts"
    )
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    provider = models.CharField(max_length=10, choices=CloudConfiguration.Provider.choices)
    way = models.CharField(max_length=10, choices=Way.choices, default=Way.KEYS)
    external_id = models.CharField(
        max_length=64, default=new_external_id, unique=True, editable=False
    )
    values = models.JSONField(default=dict, blank=True)
    role_made_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "author", "provider"], name="cloud_draft_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_provider_display()} draft {self.uuid}"


class CloudResourceQuerySet(models.QuerySet["CloudResource"]):
    def open(self) -> CloudResourceQuerySet:
        """Announced and not confirmed gone: it may exist, whatever we remember."""
        return self.filter(gone_at=None)


class CloudResource(models.Model):
    """Announced before the provider is asked, recorded after, gone when a listing says so."""

    class Level(models.TextChoices):
        WORKSPACE = "workspace", "Workspace"
        CLUSTER = "cluster", "Cluster"
        NOTEBOOK = "notebook", "Notebook"

    workspace = models.ForeignKey(
        "workspaces.Workspace", on_delete=models.PROTECT, related_name="cloud_resources"
    )
    owner_uuid = models.UUIDField(db_index=True)  # the workspace, cluster, … it serves
    level = models.CharField(max_length=10, choices=Level.choices)
    kind = models.CharField(max_length=40)
    name = models.CharField(max_length=200)
    provider_id = models.CharField(max_length=300, blank=True)
    announced_at = models.DateTimeField()
    created_at = models.DateTimeField(null=True, blank=True)
    removed_at = models.DateTimeField(null=True, blank=True)
    gone_at = models.DateTimeField(null=True, blank=True)

    objects = CloudResourceQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["owner_uuid", "kind", "name"], name="cloud_resource_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"
