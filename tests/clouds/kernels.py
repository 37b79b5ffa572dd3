"""A real kernel as a notebook starts it, and what its cells put out."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

from tests.waiting import wait_until
from workspaces.clouds.local.environment import KERNEL_PACKAGES

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Cell:
    """``text``: streams and results, no colours; ``error``: what stands for a traceback."""

    stdout: str = ""
    stderr: str = ""
    results: list[str] = field(default_factory=list)
    error: str = ""
    raw: str = ""

    @property
    def text(self) -> str:
        return "".join([self.stdout, self.stderr, *self.results, self.error])


class Kernel:
    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self._manager = manager
        self._client = client

    def run(self, code: str, *, timeout: float = 60) -> Cell:
        return self.finish(self.start(code), timeout=timeout)

    def start(self, code: str) -> str:
        return str(self._client.execute(code, store_history=True))

    def interrupt(self) -> None:
        self._manager.interrupt_kernel()

    def restart(self) -> None:
        self._manager.restart_kernel(now=True)
        self._client.wait_for_ready(timeout=60)

    def finish(self, execution: str, *, timeout: float = 60, cell: Cell | None = None) -> Cell:
        return self._read(execution, cell or Cell(), timeout, lambda cell: False)

    def until(self, execution: str, text: str, *, timeout: float = 60) -> Cell:
        """What the cell has put out when that text is among it."""
        return self._read(execution, Cell(), timeout, lambda cell: text in cell.text)

    def _read(self, execution: str, cell: Cell, timeout: float, is_enough: Any) -> Cell:
        while not is_enough(cell):
            try:
                message = self._client.get_iopub_msg(timeout=timeout)
            except Empty:
                raise AssertionError(f"nothing more in {timeout} s after {cell}") from None
            if message["parent_header"].get("msg_id") != execution:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                break
            _note(cell, kind, content)
        return cell


def _note(cell: Cell, kind: str, content: Mapping[str, Any]) -> None:
    if kind == "stream":
        text = _COLOUR.sub("", content["text"])
        cell.raw += content["text"]
        if content["name"] == "stdout":
            cell.stdout += text
        else:
            cell.stderr += text
    elif kind in ("execute_result", "display_data", "update_display_data"):
        cell.results.append(_COLOUR.sub("", content["data"].get("text/plain", "")))
    elif kind == "error":
        cell.error += _COLOUR.sub("", "\n".join(content["traceback"]))


@contextmanager
def kernel(
    python: str | Path, folder: Path, variables: Mapping[str, str], *, cwd: Path
) -> Iterator[Kernel]:
    """``folder``: where its kernelspec and runtime files go."""
    words = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {
        "argv": [*words, "--ext=bodo_magics"],
        "display_name": "test",
        "language": "python",
        "env": {**variables, "PYTHONPATH": str(KERNEL_PACKAGES)},
    }
    (folder / "kernels" / "test").mkdir(parents=True)
    (folder / "kernels" / "test" / "kernel.json").write_text(json.dumps(spec))
    specs = KernelSpecManager(kernel_dirs=[str(folder / "kernels")], ensure_native_kernel=False)
    manager = KernelManager(
        kernel_name="test",
        kernel_spec_manager=specs,
        connection_file=str(folder / "connection.json"),
    )
    (folder / "ipython").mkdir()
    private = {"IPYTHONDIR": str(folder / "ipython"), "PATH": os.environ["PATH"]}
    manager.start_kernel(cwd=str(cwd), env=private)
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        wait_until(lambda: not manager.is_alive())


OWN_PYTHON = sys.executable
