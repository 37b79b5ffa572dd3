"""The magics of a kernel that is attached to a cluster. Each connects when it is first used."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class, no_var_expand

from .cluster import Cluster
from .hostfile import update_hostfile
from .nodes import on_every_node
from .packages import find_new_here, run_conda, run_pip

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from .engines import EngineMagics

# Beginnings of cells that stay here while %autopx is on.
_STAY = re.compile(r"%{1,2}(px|autopx|psh|ppip|pconda|update_hostfile)")


def register_attached(shell: InteractiveShell, cluster: Cluster) -> None:
    magics = ClusterMagics(shell, cluster)
    shell.register_magics(magics)
    shell.input_transformers_cleanup.append(magics.send_everything)


@magics_class
class ClusterMagics(Magics):
    def __init__(self, shell: InteractiveShell, cluster: Cluster) -> None:
        super().__init__(shell)
        self._shell = shell
        self._cluster = cluster
        self._engine_magics: EngineMagics | None = None
        self._is_auto = False

    @property
    def _engines(self) -> EngineMagics:
        """Connected to the engines that run now; raises Refusal."""
        if self._engine_magics is None:
            # ipyparallel takes a third of a second to import: not at a kernel's start.
            from .engines import EngineMagics

            self._engine_magics = EngineMagics(self._shell, self._cluster)
        self._engine_magics.connect()
        return self._engine_magics

    @no_var_expand
    @line_cell_magic
    def px(self, line: str, cell: str | None = None) -> object:
        """Run Python on all engines of the cluster: ``%px code`` or ``%%px [--targets 0]``."""
        return self._engines.px(line) if cell is None else self._engines.cell_px(line, cell)

    @line_magic
    def pxconfig(self, line: str) -> None:
        """Set what ``%px`` and ``%%px`` do by themselves, as ``--targets`` or ``--noblock``."""
        self._engines.pxconfig(line)

    @line_magic
    def pxresult(self, line: str) -> None:
        """Show the result of the last ``%px`` that was not waited for."""
        self._engines.pxresult(line)

    @line_magic
    def autopx(self, line: str) -> None:
        """Switch on, or off, that every cell runs on the engines."""
        if not self._is_auto:
            _ = self._engines  # says at once when there are none
        self._is_auto = not self._is_auto
        print(f"%autopx {'enabled' if self._is_auto else 'disabled'}")  # noqa: T201 - its output

    @no_var_expand
    @line_cell_magic
    def psh(self, line: str, cell: str | None = None) -> None:
        """Run a shell command once on every node: ``%psh echo "Hello World"``."""
        text = line if cell is None else cell
        runs = on_every_node(self._cluster, ["sh", "-c", text])
        self._shell.user_ns["_exit_code"] = max(run.exit_code for run in runs)

    @no_var_expand
    @line_magic
    def ppip(self, line: str) -> None:
        """Run pip on every node: ``%ppip install <PACKAGE_NAME>``. Never asks back."""
        if run_pip(self._cluster, line):
            self._find_new_packages()

    @no_var_expand
    @line_magic
    def pconda(self, line: str) -> None:
        """Run conda on every node: ``%pconda list``. Never asks back."""
        if run_conda(self._cluster, line):
            self._find_new_packages()

    @line_magic
    def update_hostfile(self, line: str) -> None:
        """Write the cluster's MPI hostfile anew, from the nodes that it has now."""
        update_hostfile(self._cluster)
        print("Successfully updated hostfile. Please restart the kernel.")  # noqa: T201

    def _find_new_packages(self) -> None:
        find_new_here()
        self._engines.find_new_packages()

    def send_everything(self, lines: list[str]) -> list[str]:
        """An input transformer: while %autopx is on, a cell is a ``%%px`` cell."""
        words = "".join(lines).split(maxsplit=1)
        if not self._is_auto or not words or _STAY.match(words[0]):
            return lines
        return ["%%px\n", *lines]
