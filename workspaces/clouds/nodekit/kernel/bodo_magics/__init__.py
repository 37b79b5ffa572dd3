"""The magics of a notebook: ``%%px`` and its family on the engines, ``%psh`` and its family on
the nodes (F121, F135-F139, F182).

An IPython extension: ``--ext=bodo_magics`` in the kernel's command. With BODO_CLIENT_FILE in the
environment the kernel is attached to that cluster; without, the same names only say so (F122).
Loading imports nothing heavy and connects to nothing: a kernel starts as quickly as without.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .cluster import Cluster

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["load_ipython_extension"]


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Called by IPython. The imports are here because cloud drivers, where there is no IPython,
    read the record of packages.
    """
    cluster = Cluster.from_environment(os.environ)
    if cluster is None:
        from .detached import register_detached

        register_detached(shell)
    else:
        from .attached import register_attached

        register_attached(shell, cluster)
