"""One command on each node of the cluster, all at once, and their answers folded (F135-F139)."""

from __future__ import annotations

import codecs
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from .cluster import Cluster, Node, Nodes, Refusal

LOOK_SECONDS = 0.2
QUIET_SECONDS = 1.0  # until progress is shown
END_SECONDS = 3.0
MOST_CHARACTERS = 4_000_000
_RED, _YELLOW, _PLAIN = "\x1b[1;31m", "\x1b[1;33m", "\x1b[0m"
# Of the notebook, or of this kernel's own output: nothing for programs on nodes.
_KEPT_BACK = re.compile(r"^(JUPYTER|JPY_|MPLBACKEND$|PYDEVD_|CLICOLOR|FORCE_COLOR)")
# A node's program is no MPI rank: it may call mpiexec itself.
_MPI = (
    "PMI_FD",
    "PMI_PORT",
    "PMI_ID",
    "PMI_RANK",
    "PMI_SIZE",
    "MPI_LOCALNRANKS",
    "MPI_LOCALRANKID",
)
_WRAPPED = '"$@" 2>&1; exit $?'  # one stream in the order of writing; a signal becomes 128 + n


@dataclass
class Run:
    """One program on one node (``label``), and what it has put out so far."""

    label: str
    process: subprocess.Popen[bytes]
    text: str = ""
    is_open: bool = True
    exit_code: int = 0
    _decoder: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace")
    )

    @property
    def fd(self) -> int:
        assert self.process.stdout is not None  # noqa: S101 - it was started with a pipe
        return self.process.stdout.fileno()

    def read(self) -> str:
        """What is there now; at the end of it the exit code is known."""
        data = os.read(self.fd, 65536)
        new = self._decoder.decode(data, final=not data)
        if not data:
            self.is_open = False
            self.exit_code = self.process.wait()
        if len(self.text) <= MOST_CHARACTERS:
            self.text += new
            if len(self.text) > MOST_CHARACTERS:
                self.text = self.text[:MOST_CHARACTERS] + "\n(the rest is left out)\n"
        return new

    @property
    def last_line(self) -> str:
        lines = self.text.rstrip().rsplit("\n", 1)
        return lines[-1].rpartition("\r")[2][:160]


def on_every_node(cluster: Cluster, argv: Sequence[str]) -> list[Run]:
    """Progress while it lasts, then one answer for nodes that say the same."""
    nodes = cluster.started_nodes()
    names = labels(nodes)
    runs = [_start(cluster, names[node], _at(node, argv)) for node in nodes.nodes]
    progress = Progress(runs)
    _follow(runs, progress.tick)
    progress.end()
    sys.stdout.write(folded(runs))
    return runs


def once(cluster: Cluster, argv: Sequence[str]) -> Run:
    """Where all nodes share one environment; what it puts out is shown as it comes."""
    cluster.started_nodes()
    run = _start(cluster, cluster.name, ["sh", "-c", _WRAPPED, "sh", *argv])
    _follow([run], lambda new: _show(new))
    return run


def _show(new: str) -> None:
    sys.stdout.write(new)
    sys.stdout.flush()


def labels(nodes: Nodes) -> dict[Node, str]:
    """Host names, with the address where two nodes have the same one."""
    count = Counter(node.name for node in nodes.nodes)
    return {
        node: node.name if count[node.name] == 1 else f"{node.name} ({node.address})"
        for node in nodes.nodes
    }


def _at(node: Node, argv: Sequence[str]) -> list[str]:
    """One launch per node: each has an exit code of its own, and one that is lost ends no other.

    The words reach the node as they are, through no further shell.
    """
    unset = [word for name in _MPI for word in ("-u", name)]
    mpiexec = str(Path(sys.prefix, "bin", "mpiexec"))  # of the cluster's environment
    start = [mpiexec, "-n", "1", "-hosts", node.address, "env", *unset]
    return [*start, "sh", "-c", _WRAPPED, "sh", *argv]


def _start(cluster: Cluster, label: str, argv: Sequence[str]) -> Run:
    kept = {name: value for name, value in os.environ.items() if not _KEPT_BACK.match(name)}
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # The marker makes it a process of the cluster: a pause ends it, and it is seen as use.
        env={**kept, "BODO_CLUSTER": cluster.uuid, "PYTHONUNBUFFERED": "1", "TERM": "dumb"},
        start_new_session=True,  # an interrupt of the kernel is ours to pass on
    )
    return Run(label, process)


def _follow(runs: Sequence[Run], told: Callable[[str], None]) -> None:
    """Until all have ended. An interrupt ends them and raises Refusal."""
    try:
        with selectors.DefaultSelector() as selector:
            for run in runs:
                selector.register(run.fd, selectors.EVENT_READ, run)
            while selector.get_map():
                for key, _ in selector.select(LOOK_SECONDS):
                    told(key.data.read())
                    if not key.data.is_open:
                        selector.unregister(key.fd)
                told("")
    except KeyboardInterrupt:
        _end(runs)
        raise Refusal("Interrupted; what still ran on the nodes was ended.") from None
    finally:
        for run in runs:
            if run.process.stdout is not None:
                run.process.stdout.close()


def _end(runs: Sequence[Run]) -> None:
    for run in runs:
        _signal(run, signal.SIGTERM)
    deadline = time.monotonic() + END_SECONDS
    for run in runs:
        try:
            run.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            _signal(run, signal.SIGKILL)
            run.process.wait()


def _signal(run: Run, number: int) -> None:
    if run.process.poll() is None:
        os.killpg(run.process.pid, number)


class Progress:
    """The last line of every node, in one place that is written over; nothing if it is quick."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self._runs = runs
        self._begin = self._shown_at = time.monotonic()
        self._handle: Any = None  # IPython's, which has no types

    def tick(self, _new: str) -> None:
        now = time.monotonic()
        if now - self._begin < QUIET_SECONDS or now - self._shown_at < 2 * LOOK_SECONDS:
            return
        self._shown_at = now
        self._show("\n".join(self._lines()))

    def _lines(self) -> list[str]:
        left = sum(run.is_open for run in self._runs)
        seconds = int(time.monotonic() - self._begin)
        head = f"{seconds} s, {counted(left, 'node')} of {len(self._runs)} still at work"
        return [head, *(f"{run.label}: {run.last_line}" for run in self._runs if run.is_open)]

    def end(self) -> None:
        if self._handle is not None:
            seconds = int(time.monotonic() - self._begin)
            self._show(f"Ran on {counted(len(self._runs), 'node')} in {seconds} s")

    def _show(self, text: str) -> None:
        content = {"text/plain": text}
        if self._handle is None:
            self._handle = import_module("IPython.display").DisplayHandle()
            self._handle.display(content, raw=True)
        else:
            self._handle.update(content, raw=True)


def folded(runs: Sequence[Run]) -> str:
    """Nodes with the same answer stand together, and it is said when there is more than one."""
    groups: dict[tuple[int, str], list[str]] = {}
    for run in runs:
        groups.setdefault((run.exit_code, run.text), []).append(run.label)
    parts = []
    if len(groups) > 1:
        parts.append(f"{_YELLOW}The nodes answer differently:{_PLAIN}\n")
    for (code, text), names in groups.items():
        told = f"exit code {code}" if code >= 0 else f"ended by {signal.Signals(-code).name}"
        told = f"{_RED}{told}{_PLAIN}" if code else told
        body = text if not text or text.endswith("\n") else f"{text}\n"
        parts.append(f"{counted(len(names), 'node')}: {listed(names)}: {told}\n{body}")
    return "".join(parts)


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:8])
    return shown if len(names) <= 8 else f"{shown} and {len(names) - 8} more"
