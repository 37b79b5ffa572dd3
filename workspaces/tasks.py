"""What the queue may run by name. Arguments are primary keys and nothing else."""

from __future__ import annotations

import json

from django.core.management import call_command
from django_q.tasks import async_task

from workspaces.models import CloudConfiguration
from workspaces.operations.runner import run_step
from workspaces.services import cloud_of


def run_operation_step(operation_pk: int) -> None:
    run_step(operation_pk)


def refresh_clouds() -> None:
    """Renew what the forms answer from: regions, instance types, Bodo versions. A task for each
    account; configurations that say the same, such as those of Local, share one.
    """
    same: dict[str, int] = {}
    for configuration in CloudConfiguration.objects.order_by("-pk"):
        told = json.dumps([configuration.provider, configuration.settings], sort_keys=True)
        same[told] = configuration.pk
    for pk in same.values():
        async_task("workspaces.tasks.refresh_cloud", pk, save=False)


def refresh_cloud(configuration_pk: int) -> None:
    if configuration := CloudConfiguration.objects.filter(pk=configuration_pk).first():
        cloud_of(configuration).refresh()


def forget_old_sessions() -> None:
    call_command("clearsessions")
