"""What the queue may run by name. Arguments are primary keys and nothing else."""

from __future__ import annotations

from django.core.management import call_command

from workspaces.models import CloudConfiguration
from workspaces.operations.runner import run_step
from workspaces.services import cloud_of


def run_operation_step(operation_pk: int) -> None:
    run_step(operation_pk)


def refresh_clouds() -> None:
    """Renew what the forms answer from: regions, instance types, Bodo versions."""
    for configuration in CloudConfiguration.objects.all():
        cloud_of(configuration).refresh()


def forget_old_sessions() -> None:
    call_command("clearsessions")
