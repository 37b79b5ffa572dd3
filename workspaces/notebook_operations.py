"""The steps of everything that is done to a notebook server.

A start goes through the provider's phases and then READINESSPROBE: it may be opened only once it
answers (F038, F039).
"""

from __future__ import annotations

from workspaces import services
from workspaces.clouds.base import Cloud, CloudError, Progress
from workspaces.clouds.servers import NotebookPhase, NotebookSpec
from workspaces.guards import notebook_ended
from workspaces.models import Notebook, Operation
from workspaces.notebooks.probe import probe
from workspaces.operations.registry import Done, Outcome, Step, Wait, handles
from workspaces.secrets import SecretUnreadable, unseal

State = Notebook.State
POLL_SECONDS = 0.3
ENDING, ENDED = "ending", "ended"  # phases outlive the worker: what ended is not ended again
START_DEADLINES: dict[str, int] = {
    ENDED: 120,
    NotebookPhase.RUNTIME: 1800,  # a download of a few hundred megabytes
    NotebookPhase.NODE: 300,
    State.READINESSPROBE: 120,
}


def _notebook(step: Step) -> Notebook:
    rows = Notebook.objects.select_related(
        "workspace__organization", "workspace__cloud_configuration"
    )
    return rows.get(uuid=step.operation.target_uuid)


def _cloud(notebook: Notebook) -> Cloud:
    return services.cloud_of(notebook.workspace.cloud_configuration)


def _failed(operation: Operation) -> None:
    services.notebook_mark_failed(
        notebook_uuid=operation.target_uuid, reason=operation.error_message
    )


def _back_to_paused(operation: Operation) -> None:
    services.notebook_mark_returned(
        notebook_uuid=operation.target_uuid, reason=operation.error_message
    )


def _outcome(notebook: Notebook, progress: Progress) -> Outcome:
    """Kernels end with their server, and so does what they kept from others (F157)."""
    if not progress.is_done:
        return Wait(POLL_SECONDS, progress.percent, progress.message, ENDING)
    notebook_ended(notebook)
    return Done(progress.message)


def _end_server(step: Step) -> Outcome:
    notebook = _notebook(step)
    progress = _cloud(notebook).stop_notebook(services.notebook_spec(notebook))
    return _outcome(notebook, progress)


def _take_away(step: Step) -> Outcome:
    notebook = _notebook(step)
    spec = services.notebook_spec(notebook)
    return _outcome(notebook, _cloud(notebook).remove_notebook(spec, step.ledger))


def _with_token(notebook: Notebook) -> NotebookSpec:
    try:
        token = unseal(notebook.sealed_token, context=notebook.token_context)
    except SecretUnreadable as error:
        message = f"Its token can not be read: {error} Reset this notebook to make a new one."
        raise CloudError("Token", message) from error
    return services.notebook_spec(notebook, token=token)


def _bring_up(step: Step) -> Outcome:
    """To RUNNING, from whatever is there."""
    notebook = _notebook(step)
    if notebook.is_open:  # a worker died between the mark and its report
        return Done(f"{notebook.name} is ready")
    spec = _with_token(notebook)
    status = _cloud(notebook).ensure_notebook(spec, step.ledger)
    if status.phase == NotebookPhase.FAILED:
        raise status.error or CloudError("Failed", status.message or "The server ended.")
    if status.phase != NotebookPhase.UP:
        services.notebook_mark_starting(notebook=notebook)
        return Wait(POLL_SECONDS, status.percent, status.message, status.phase)
    services.notebook_mark_probing(notebook=notebook, address=status.address)
    if reason := probe(status.address, spec.token):
        return Wait(POLL_SECONDS, 90, f"Readiness probe: {reason}", State.READINESSPROBE)
    services.notebook_mark_ready(notebook=notebook, now=step.now)
    return Done("The readiness probe succeeded; the notebook can be opened")


def _afresh(step: Step, end: Outcome | None) -> Outcome:
    """First ``end``, which is None once that is done; then up again."""
    if end is None:
        return _bring_up(step)
    if isinstance(end, Wait):
        return end
    services.notebook_mark_starting(notebook=_notebook(step))
    return Wait(0, 10, end.message, ENDED)


def _has_ended(step: Step) -> bool:
    return step.operation.phase not in ("", ENDING)


@handles("notebook.clean")
def clean_notebook(step: Step) -> Outcome:
    """Leave no process of a dead server; its files stay, and its row says FAILED."""
    return _end_server(step)


@handles("notebook.create", undo=_take_away, on_failure=_failed, deadlines=START_DEADLINES)
def create_notebook(step: Step) -> Outcome:
    return _bring_up(step)


@handles("notebook.resume", undo=_end_server, on_failure=_back_to_paused, deadlines=START_DEADLINES)
def resume_notebook(step: Step) -> Outcome:
    return _bring_up(step)


@handles("notebook.start", undo=_end_server, on_failure=_failed, deadlines=START_DEADLINES)
def start_notebook(step: Step) -> Outcome:
    """Out of FAILED: what is left of the dead server goes first."""
    return _afresh(step, None if _has_ended(step) else _end_server(step))


@handles("notebook.restart", undo=_end_server, on_failure=_failed, deadlines=START_DEADLINES)
def restart_notebook(step: Step) -> Outcome:
    return _afresh(step, None if _has_ended(step) else _end_server(step))


@handles("notebook.reset", undo=_end_server, on_failure=_failed, deadlines=START_DEADLINES)
def reset_notebook(step: Step) -> Outcome:
    """Settings, history and keys as in a new one; the shared files stay."""
    return _afresh(step, None if _has_ended(step) else _take_away(step))


@handles("notebook.pause", on_failure=_failed)
def pause_notebook(step: Step) -> Outcome:
    outcome = _end_server(step)
    if isinstance(outcome, Done):
        services.notebook_mark_paused(notebook=_notebook(step))
    return outcome


@handles("notebook.remove", on_failure=_failed)
def remove_notebook(step: Step) -> Outcome:
    outcome = _take_away(step)
    if isinstance(outcome, Done):
        services.notebook_mark_removed(notebook=_notebook(step))
    return outcome
