"""What the queue may run by name. Arguments are primary keys and nothing else."""

from __future__ import annotations

from workspaces.operations.runner import run_step


def run_operation_step(operation_pk: int) -> None:
    run_step(operation_pk)
