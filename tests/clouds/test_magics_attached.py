"""A kernel that is attached to a real cluster of two nodes (F121, F135-F139, F182).

One cluster and one kernel serve the whole module: tests leave both as they found them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from tests.clouds.cases import Case, create, drive
from tests.clouds.kernels import Kernel, kernel
from tests.git_server import GitServer
from workspaces.clouds.base import ClusterSpec
from workspaces.clouds.local.driver import LocalCloud
from workspaces.clouds.local.environment import Runtime, cluster_environment, kernel_variables
from workspaces.clouds.local.layout import Layout
from workspaces.clouds.local.machine import has_own_host_names

pytestmark = pytest.mark.e2e


@dataclass
class Attached:
    case: Case
    spec: ClusterSpec
    layout: Layout
    kernel: Kernel

    def stop(self) -> None:
        drive(lambda: self.case.cloud.stop_cluster(self.spec), self.case.seconds)

    def start(self, *, nodes: int = 2) -> None:
        create(self.case, replace(self.spec, node_count=nodes))


@pytest.fixture(scope="module")
def attached(
    tmp_path_factory: pytest.TempPathFactory, git: GitServer, runtime: Runtime
) -> Iterator[Attached]:
    state = tmp_path_factory.mktemp("attached") / "state"
    cloud = LocalCloud({"root": state})
    (state / "runtimes" / runtime.folder.name).symlink_to(runtime.folder)
    case = Case(cloud, runtime.version, git, seconds=60, has_own_names=has_own_host_names())
    spec, layout = case.cluster(nodes=2), Layout(state)
    create(case, spec)
    variables = {
        **cluster_environment(layout, spec, runtime),
        **kernel_variables(layout, spec, name="demo"),
    }
    python = layout.cluster(spec.uuid) / "env" / "bin" / "python"
    shared = layout.shared(spec.workspace.uuid)
    try:
        with kernel(python, tmp_path_factory.mktemp("kernel"), variables, cwd=shared) as found:
            yield Attached(case, spec, layout, found)
    finally:
        case.clean_up()


def test_cell_runs_on_every_rank_at_once(attached: Attached) -> None:
    cell = attached.kernel.run(
        "%%px\nimport bodo\nprint('rank', bodo.get_rank(), 'of', bodo.get_size())"
    )

    assert sorted(cell.stdout.splitlines()) == ["[stdout:0] rank 0 of 2", "[stdout:1] rank 1 of 2"]
    assert (cell.stderr, cell.error) == ("", "")


def test_one_target_and_one_line(attached: Attached) -> None:
    first = attached.kernel.run("%%px --targets 1\nhere = 'x' * 3\nprint(here)")
    second = attached.kernel.run("%px print(globals().get('here'))")

    assert first.stdout == "[stdout:1] xxx\n"
    assert sorted(second.stdout.splitlines()) == ["[stdout:0] None", "[stdout:1] xxx"]


def test_autopx_sends_cells_until_it_is_switched_off(attached: Attached) -> None:
    on = attached.kernel.run("%autopx")
    sent = attached.kernel.run("there = 5\nthere")
    here = attached.kernel.run("%psh true")
    off = attached.kernel.run("%autopx")

    assert (on.text, off.text) == ("%autopx enabled\n", "%autopx disabled\n")
    assert len(sent.results) == 2
    assert here.error == ""
    assert "NameError" in attached.kernel.run("there").error


def test_output_arrives_while_the_cell_runs(attached: Attached) -> None:
    code = "import pathlib, time\nprint('early', flush=True)\n"
    wait = "while not pathlib.Path('go-on').exists(): time.sleep(0.02)\nprint('late')"
    execution = attached.kernel.start(f"%%px --targets 0\n{code}{wait}")

    early = attached.kernel.until(execution, "early")
    assert early.stdout == "[stdout:0] early\n"
    (attached.layout.shared(attached.spec.workspace.uuid) / "go-on").touch()

    assert attached.kernel.finish(execution).stdout == "[stdout:0] late\n"


def test_error_of_an_engine_is_shown(attached: Attached) -> None:
    cell = attached.kernel.run("%%px --targets 1\nraise ValueError('of mine')")

    assert "of mine" in cell.error


def test_interrupt_reaches_the_engines_and_the_kernel_lives(attached: Attached) -> None:
    attached.kernel.run("kept = 7")
    execution = attached.kernel.start("%%px\nimport time\nprint('on', flush=True)\ntime.sleep(600)")
    attached.kernel.until(execution, "on")

    attached.kernel.interrupt()
    cell = attached.kernel.finish(execution)

    assert cell.error == "Interrupted on the engines."
    assert attached.kernel.run("kept").results == ["7"]
    assert len(attached.kernel.run("%px 1 + 1").results) == 2


def test_paused_cluster_is_told_and_found_again(attached: Attached) -> None:
    attached.kernel.run("%px mine = 1")

    attached.stop()
    paused = attached.kernel.run("%%px\nprint('never')")
    attached.start()
    again = attached.kernel.run("%px print(globals().get('mine'))")

    assert paused.text == (
        "The cluster demo is paused, or is being restarted or scaled. Resume it if it is paused, "
        "and run the cell again when it is RUNNING."
    )
    assert sorted(again.stdout.splitlines()) == ["[stdout:0] None", "[stdout:1] None"]
    assert again.stderr == (
        "demo was started afresh: connected to its 2 new engines. "
        "Variables and imports on the earlier ones are gone.\n"
    )
