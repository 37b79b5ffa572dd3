"""A notebook without a cluster: parallel magics run nothing and say why (F122, F123, V22)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from IPython.core.magic import no_var_expand

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

WARNING = (
    "This notebook is not attached to a cluster. "
    "Please attach it to a cluster for parallel execution."
)
NAMES = (
    "px",
    "autopx",
    "pxconfig",
    "pxresult",
    "psh",
    "ppip",
    "pconda",
    "update_hostfile",
)
_RED, _PLAIN = "\x1b[1;31m", "\x1b[0m"


def register_detached(shell: InteractiveShell) -> None:
    for name in NAMES:
        shell.magics_manager.register_function(warn, magic_kind="line_cell", magic_name=name)


@no_var_expand
def warn(line: str, cell: str | None = None) -> None:
    """This notebook is not attached to a cluster: runs nothing."""
    sys.stderr.write(f"{_RED}{WARNING}{_PLAIN}\n")
