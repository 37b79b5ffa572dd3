"""What the queue may run by name. Arguments are primary keys and nothing else."""

from __future__ import annotations

import json
import logging
import time

from django.core.management import call_command
from django.utils import timezone
from django_q.tasks import async_task

from workspaces.clouds.base import CloudError
from workspaces.models import CloudConfiguration, Workspace
from workspaces.notebooks.access import accesses_forget
from workspaces.operations.runner import run_step
from workspaces.services import cloud_of, workspace_files

logger = logging.getLogger(__name__)

MEASURE_SECONDS = 15  # half of what a task may take


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
    accesses_forget(now=timezone.now())


def measure_shared_files() -> None:
    """Count what lies in the workspaces' shared trees, where users' code writes unseen. One worker
    is busy with it for MEASURE_SECONDS at most; chance decides whom they do not suffice for."""
    deadline = time.monotonic() + MEASURE_SECONDS
    ready = Workspace.objects.filter(status=Workspace.Status.READY)
    for workspace in ready.select_related("cloud_configuration").order_by("?"):
        if (left := deadline - time.monotonic()) <= 0:
            return
        try:
            if not workspace_files(workspace).measure(seconds=left):
                logger.info("the files of workspace %s were not counted in time", workspace.uuid)
        except CloudError as error:
            logger.warning("the files of workspace %s: %s", workspace.uuid, error.message)
