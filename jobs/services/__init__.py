"""All writes to jobs."""

from jobs.services.creation import (
    JobRefused,
    Retries,
    Schedule,
    Source,
    cluster_for_job,
    job_cancel,
    job_create,
    job_run_again,
)
from jobs.services.logs import old_logs_remove
from jobs.services.progress import (
    command_spec,
    job_begin_retry,
    job_mark_ended,
    job_mark_running,
    job_mark_succeeded,
    job_move_retry,
    job_record_exit,
)
from jobs.services.starting import StartRefused, job_check_start, job_wake_cluster

__all__ = [
    "JobRefused",
    "Retries",
    "Schedule",
    "Source",
    "StartRefused",
    "cluster_for_job",
    "command_spec",
    "job_begin_retry",
    "job_cancel",
    "job_check_start",
    "job_create",
    "job_mark_ended",
    "job_mark_running",
    "job_mark_succeeded",
    "job_move_retry",
    "job_record_exit",
    "job_run_again",
    "job_wake_cluster",
    "old_logs_remove",
]
