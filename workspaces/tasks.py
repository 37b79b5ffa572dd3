"""What the queue may run by name. Arguments are primary keys and nothing else."""

from __future__ import annotations

import json
import logging
import time
from collections import defaultdict
from contextlib import suppress

from django.core.management import call_command
from django.db import models
from django.utils import timezone
from django_q.tasks import async_task

from workspaces.clouds.base import CloudError
from workspaces.clouds.servers import NotebookPhase
from workspaces.models import CloudConfiguration, Notebook, Operation, Workspace
from workspaces.notebook_idle import is_due
from workspaces.notebooks.access import accesses_forget
from workspaces.operations.lifecycle import Actor, OperationConflict
from workspaces.operations.runner import run_step
from workspaces.services import (
    NotebookRefused,
    cloud_of,
    notebook_mark_lost,
    notebook_pause_idle,
    notebooks_forget_future,
    notebooks_look,
    notebooks_note_activity,
    notebooks_suspend_without_right,
    workspace_files,
)

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


def check_notebooks() -> None:
    """Pause the servers of those who lost the right to them; then look once at all running ones
    of each cloud configuration, and tell the dead.
    """
    notebooks_suspend_without_right(actor=Actor(source=Operation.Source.DRIFT))
    by_cloud: dict[CloudConfiguration, list[Notebook]] = defaultdict(list)
    for notebook in _running_notebooks():
        by_cloud[notebook.workspace.cloud_configuration].append(notebook)
    for configuration, notebooks in by_cloud.items():
        try:
            seen = cloud_of(configuration).observe_notebooks([row.uuid for row in notebooks])
        except CloudError as error:  # nobody knows: the next look decides
            logger.warning("notebooks of %s: %s", configuration.uuid, error.message)
            continue
        for notebook in notebooks:
            status = seen.get(notebook.uuid)
            if status is None or status.phase in (NotebookPhase.ABSENT, NotebookPhase.FAILED):
                told = status.message if status else ""
                notebook_mark_lost(notebook=notebook, reason=told or "Its server is gone.")


def pause_idle_notebooks() -> None:
    """Those whose time is over are looked at once more: the last look may be as old as an outage
    of the platform. Each decides for itself, in its own transaction; one that is refused, or does
    not answer, keeps no other.
    """
    now = timezone.now()
    notebooks_forget_future(now=now)
    due = [notebook for notebook in _running_notebooks() if is_due(notebook, now)]
    activities = notebooks_look(due)
    notebooks_note_activity(activities=activities, now=now)
    for notebook in due:
        if activities[notebook.pk] is None:  # it may compute; a dead one is found otherwise
            logger.warning("idle notebook %s does not answer and is kept", notebook.uuid)
            continue
        with suppress(NotebookRefused, OperationConflict):
            notebook_pause_idle(notebook=notebook, now=now)


def _running_notebooks() -> models.QuerySet[Notebook]:
    return Notebook.objects.running().select_related(
        "owner", "workspace__organization", "workspace__cloud_configuration"
    )
