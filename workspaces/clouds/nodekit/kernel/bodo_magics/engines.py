"""``%%px`` on whatever engines the cluster has now.

The work is ipyparallel's. Ours are: finding the engines again after a pause or a scale, an end to
the wait when they are lost, and output in the order and at the cost it arrives.
"""

from __future__ import annotations

import sys
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .cluster import Cluster, Refusal
from .packages import FIND_NEW

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

ipyparallel: Any = import_module("ipyparallel.client.magics")  # it has no types
clients: Any = import_module("ipyparallel.client.client")
errors: Any = import_module("ipyparallel.error")
display: Any = import_module("IPython.display").display
Result = Any
CONNECT_SECONDS = 10
ENGINES_SECONDS = 20  # after the controller answers, until all engines have registered
LOOK_SECONDS = 0.05
ALIVE_SECONDS = 1.0
INTERRUPT_SECONDS = 5
FIND_SECONDS = 2


class EngineMagics(ipyparallel.ParallelMagics):  # type: ignore[misc] # as above
    """``view`` is that of the engines that ran at the last ``connect``."""

    view: Any = None

    def __init__(self, shell: InteractiveShell, cluster: Cluster) -> None:
        super().__init__(shell, None)
        self._cluster = cluster
        self._client: Any = None
        self._connection = ""

    def connect(self) -> None:
        """To the engines that run now, unless we are; raises Refusal when there are none."""
        connection = self._cluster.connection_file()
        if connection == self._connection:
            if len(self._client.ids) < self._cluster.started_nodes().core_count:
                raise self._cluster.lost()  # one MPI world: without one engine there is none
            return
        client = self._new_client()
        self._wait_for_engines(client)
        is_first = self._client is None
        if not is_first:
            self._client.close(linger=0)
        self._client, self._connection = client, connection
        self.view = client.direct_view("all", block=self.view.block if self.view else True)
        if not is_first:
            count = len(client.ids)
            sys.stderr.write(
                f"{self._cluster.name} was started afresh: connected to its "
                f"{count} new engine{'' if count == 1 else 's'}. "
                "Variables and imports on the earlier ones are gone.\n"
            )

    def _new_client(self) -> Result:
        try:
            return clients.Client(str(self._cluster.client_file), timeout=CONNECT_SECONDS)
        except (OSError, TimeoutError, ValueError):  # it was stopped at this very moment
            raise self._cluster.still_starting() from None

    def _wait_for_engines(self, client: Result) -> None:
        wanted = self._cluster.started_nodes().core_count
        deadline = time.monotonic() + ENGINES_SECONDS
        while len(client.ids) < wanted:
            if time.monotonic() > deadline:
                client.close(linger=0)
                raise self._cluster.still_starting()
            time.sleep(LOOK_SECONDS)

    def find_new_packages(self) -> None:
        """Let the engines import what was installed meanwhile; busy ones get to it later."""
        self.view.execute(FIND_NEW, silent=True, block=False).wait(FIND_SECONDS)

    def parallel_execute(
        self,
        cell: str,
        block: bool | None = None,
        groupby: str = "type",
        save_name: str | None = None,
        stream_output: bool | None = None,
        progress_after: float | None = None,
        signal_on_interrupt: int | str | None = None,
    ) -> Result | None:
        block = self.view.block if block is None else block
        result = super().parallel_execute(cell, block=False, save_name=save_name)
        if not block:
            return result
        is_streaming = self.stream_output if stream_output is None else stream_output
        output = Output(result)
        try:
            self._wait(result, output if is_streaming else None)
        except KeyboardInterrupt:
            self._interrupt(result, signal_on_interrupt or self.signal_on_interrupt)
        finally:
            if is_streaming:
                output.show()
                output.end()
            else:
                result.display_outputs(groupby)
        self._raise_errors(result)
        return None

    def _raise_errors(self, result: Result) -> None:
        try:
            result.get(timeout=0)
        except errors.RemoteError as problem:
            names = {problem.ename, *(name for name, *_ in getattr(problem, "elist", ()))}
            if "EngineError" in names:
                raise self._cluster.lost() from None
            raise

    def pxresult(self, line: str) -> None:
        """Waited for as any other, so that lost engines are told."""
        if self.last_result is not None:
            self._wait(self.last_result, None)
        self.result(line)

    def _wait(self, result: Result, output: Output | None) -> None:
        looked_at = time.monotonic()
        while not result.wait(LOOK_SECONDS):
            if output:
                output.show()
            if time.monotonic() - looked_at > ALIVE_SECONDS:
                looked_at = time.monotonic()
                if self._cluster.connection_file() != self._connection:
                    raise self._cluster.lost()
        result.wait_for_output(1)

    def _interrupt(self, result: Result, signal: int | str) -> None:
        """Stop what runs on the engines and what waits there; always raises Refusal."""
        self._client.abort(result, block=False)
        self._client.send_signal(signal, targets=result._targets, block=False)
        if result.wait(INTERRUPT_SECONDS):
            result.wait_for_output(1)
            raise Refusal("Interrupted on the engines.")
        left = [i for i, part in zip(result._targets, result.split()) if not part.done()]
        raise Refusal(
            f"Interrupted, but these engines did not stop yet: {', '.join(map(str, left))}. They "
            "are inside compiled or MPI code; if they do not end by themselves, RESTART the "
            f"cluster {self._cluster.name} on its page."
        )


class Output:
    """What the engines have printed and shown so far, put out once and as it arrives."""

    def __init__(self, result: Result) -> None:
        self._result = result
        futures = zip(result._targets, result._children)
        self._engines = [(engine, future, future.output.metadata) for engine, future in futures]
        self._shown: dict[tuple[int, str], Any] = {}
        self._at = ""  # whose line is open

    def show(self) -> None:
        for engine, future, told in self._engines:
            for name in ("stdout", "stderr"):
                text = self._new_text((engine, name), told[name])
                if text:
                    self._write(name, f"[{name}:{engine}] ", text)
            results = [told["execute_result"]] if told["execute_result"] else []
            for content in self._new((engine, "outputs"), told["outputs"]):
                self.end()
                self._result._republish_displaypub(content, engine)
            for content in self._new((engine, "results"), results):
                self.end()
                display(clients.ExecuteReply(future.msg_id, content, told))

    def _new(self, key: tuple[int, str], whole: list[Any]) -> list[Any]:
        count = self._shown.get(key, 0)
        self._shown[key] = len(whole)
        return whole[count:]

    def _new_text(self, key: tuple[int, str], whole: str) -> str:
        """What came after the last look; all of a line that was written over (a progress bar)."""
        before = self._shown.get(key, "")
        self._shown[key] = whole
        if whole.startswith(before):
            return whole[len(before) :]
        return whole[before.rfind("\n") + 1 :]

    def _write(self, name: str, prefix: str, text: str) -> None:
        """Every line carries its engine; a line that goes on later is not broken off."""
        if self._at != prefix:
            self.end()
            text = prefix + text
        stream = sys.stderr if name == "stderr" else sys.stdout
        is_whole = text.endswith("\n")
        body = text[:-1] if is_whole else text
        stream.write(body.replace("\n", f"\n{prefix}") + ("\n" if is_whole else ""))
        stream.flush()
        self._at = "" if is_whole else prefix

    def end(self) -> None:
        if self._at:
            (sys.stderr if self._at.startswith("[stderr") else sys.stdout).write("\n")
            self._at = ""
