"""Operations: the one mechanism behind everything slow or remote.

A handler is a *step*: short, idempotent, level-triggered. It looks at what is, does the next
missing thing, and answers :class:`Wait` or :class:`Done`, or raises ``CloudError``. The rows are
the truth; the queue only carries hints, so a lost, late or doubled message changes nothing.
"""

from workspaces.operations.lifecycle import (
    Actor,
    OperationConflict,
    operation_cancel,
    operation_postpone,
    operation_start,
)
from workspaces.operations.registry import Done, Outcome, Step, Wait, handles

__all__ = [
    "Actor",
    "Done",
    "OperationConflict",
    "Outcome",
    "Step",
    "Wait",
    "handles",
    "operation_cancel",
    "operation_postpone",
    "operation_start",
]
