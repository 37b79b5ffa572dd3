"""Forgetting the logs of jobs that ended long ago."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from jobs.models import Job
from workspaces.clouds.base import CloudError
from workspaces.services import cloud_of

logger = logging.getLogger(__name__)

JOBS_AT_ONCE = 500


def old_logs_remove(*, now: datetime, days: int) -> int:
    """Remove the logs of jobs that ended more than ``days`` ago, the oldest first; of how many.

    0 days is never. Each job's logs go before its row says so: what dies in between does it again.
    """
    if not days:
        return 0
    rows = Job.objects.ended_with_log(now - timedelta(days=days)).order_by("finished_at")
    count = 0
    for job in rows.select_related("workspace__cloud_configuration")[:JOBS_AT_ONCE]:
        cloud = cloud_of(job.workspace.cloud_configuration)
        try:
            for attempt in range(1, job.attempt + 1):
                cloud.remove_log(job.command_uuid_of(attempt))
        except CloudError as error:
            logger.warning("the log of job %s stays: %s", job.uuid, error.code)
            continue
        Job.objects.filter(pk=job.pk).update(log_removed_at=now)
        count += 1
    return count
