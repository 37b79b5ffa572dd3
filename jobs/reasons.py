"""Why a job ended without success, and what its owner can do about it."""

from __future__ import annotations

KILLED = (9, 128 + 9)
REFUSED = "Refused"  # the message of it is the guard's own sentence, with its next step

# Words of the drivers that have a name of their own for jobs.
_NAMES = {"Lost": "WorkerLost"}

_NEXT_STEPS = {
    "SourceNotFound": "Check the path: open it in a browser, or look for the folder in Files. "
    "Then run the job again with the right one.",
    "SourceAuth": "Run the job again with the Git user name and a password that may read the "
    "repository. If your GitHub account uses 2FA, enter a GitHub access token as password.",
    "BadReference": "Check the Workspace reference: the name of a branch or tag, or a full commit "
    "of 40 digits. Empty means the default branch.",
    "NoSuchScript": "Check the command: its first word is the script, seen from the top of the "
    "source. Check the Workspace reference too.",
    "NonZeroExitCode": "Read the log: the rank that failed first is shown on top.",
    "Timeout": "Run the job again with a longer timeout, on more cores, or with less work.",
    "Cancelled": "Run the job again when you want its result.",
    "OutOfMemory": "Run the job again on a cluster with more memory, or on more nodes, so that "
    "each rank holds less.",
    "NoSpace": "Delete files that nobody needs, or ask your operator to make room. Then run the "
    "job again.",
    "NodeLost": "Run the job again on another cluster. With retries, write results so that a "
    "second attempt may repeat the first one's work.",
    "WorkerLost": "Run the job again. If it happens again, ask your operator: the cause is in the "
    "log of the workers.",
    "ClusterBusy": "Run the job again on a free cluster, or with NEW on one of its own.",
    "ClusterFailed": "Look at the cluster's page for the cause, then run the job again on another "
    "cluster.",
    "Deadline": "Run the job again. If it happens again, ask your operator.",
}
_MAYBE_OUT_OF_MEMORY = (
    "Signal 9 often means that a node ran out of memory. Try a cluster with more memory, or more "
    "nodes, so that each rank holds less."
)
# Trying again changes nothing about these, or nobody wants it.
_FINAL = frozenset(
    {"SourceAuth", "BadReference", "NoSuchScript", "Cancelled", "NodeLost", "ClusterFailed"}
)


def reason_named(driver_reason: str) -> str:
    return _NAMES.get(driver_reason, driver_reason)


def is_worth_a_retry(reason: str, *, on_timeout: bool) -> bool:
    """G013."""
    return on_timeout if reason == "Timeout" else reason not in _FINAL


def next_step(reason: str, exit_code: int | None) -> str:
    """A sentence for the job's page; empty for a reason that says it all by itself."""
    if reason == "NonZeroExitCode" and exit_code in KILLED:
        return _MAYBE_OUT_OF_MEMORY
    return _NEXT_STEPS.get(reason, "")
