"""A kernel that is attached to a real cluster of two nodes (F121, F135-F139, F182).

One cluster and one kernel serve the whole module; what changes the cluster stands last.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.clouds import fake_runtime, wheels
from tests.clouds.cases import Case, create, drive
from tests.clouds.kernels import Kernel, kernel
from tests.git_server import GitServer
from workspaces.clouds.base import ClusterSpec
from workspaces.clouds.local import processes
from workspaces.clouds.local.driver import LocalCloud
from workspaces.clouds.local.environment import Runtime, cluster_environment, kernel_variables
from workspaces.clouds.local.layout import Layout
from workspaces.clouds.local.machine import has_own_host_names, nodes_of

pytestmark = pytest.mark.e2e


@dataclass
class Attached:
    case: Case
    spec: ClusterSpec
    layout: Layout
    kernel: Kernel

    @property
    def nodes(self) -> str:
        return ", ".join(node.name for node in nodes_of(self.spec.uuid, 2))

    def processes(self) -> list[bytes]:
        """The command lines of everything that belongs to the cluster."""
        found = processes.marked("BODO_CLUSTER", str(self.spec.uuid))
        return [Path(f"/proc/{process.pid}/cmdline").read_bytes() for process in found]

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
    fake_runtime.install_lab(state)
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


def test_cell_that_awaits_answers_and_can_be_interrupted(attached: Attached) -> None:
    code = "import asyncio\nawait asyncio.sleep(0)\n6 * 7"
    done = attached.kernel.run(f"%%px --targets 0\n{code}")
    execution = attached.kernel.start("%%px --targets 0\nprint('on')\nawait asyncio.sleep(600)")
    attached.kernel.until(execution, "on")

    attached.kernel.interrupt()

    assert done.results == [found for found in done.results if found.endswith(": 42")] != []
    assert attached.kernel.finish(execution).error == "Interrupted on the engines."
    assert len(attached.kernel.run("%px 1").results) == 2


def test_result_that_was_not_waited_for_can_be_had_later(attached: Attached) -> None:
    first = attached.kernel.run("%%px --noblock --targets 1\nprint('later')")

    assert first.stdout == ""
    assert "later" in attached.kernel.run("%pxresult").stdout


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


def test_shell_line_runs_once_per_node_and_differences_are_flagged(attached: Attached) -> None:
    cell = attached.kernel.run("%psh echo on $HYDRA_LAUNCHER; echo $PMI_RANK; exit 3")
    same = attached.kernel.run('%psh echo "Hello World"')
    nodes = attached.nodes

    differ = attached.kernel.run("%psh cat /proc/self/stat | cut -d' ' -f1")

    assert cell.stdout == f"2 nodes: {nodes}: exit code 3\non ssh\n\n"
    assert same.stdout == f"2 nodes: {nodes}: exit code 0\nHello World\n"
    assert differ.stdout.startswith("The nodes answer differently:\n1 node: ")
    assert attached.kernel.run("_exit_code").results == ["0"]


@pytest.mark.parametrize(
    ("typed", "printed"),
    [
        (r"""printf '%s|' "a  b" 'c"d' e\ f "\\n" '{x}' | tr a A""", r'A  b|c"d|e f|\n|{x}|'),
        ("""name=value; echo "$name" $((1 + 1)) >&2""", "value 2"),
        ("kill -9 $$", "Killed"),
    ],
)
def test_shell_line_arrives_as_it_was_typed(attached: Attached, typed: str, printed: str) -> None:
    cell = attached.kernel.run(f"%psh {typed}")

    assert cell.stdout.partition("\n")[2].rstrip("\n") == printed
    assert ("exit code 137" in cell.stdout) == ("kill" in typed)


def test_interrupt_ends_what_runs_on_the_nodes(attached: Attached) -> None:
    execution = attached.kernel.start("%psh echo begun; exec sleep 4711")
    attached.kernel.until(execution, "begun")

    attached.kernel.interrupt()

    told = "Interrupted; what still ran on the nodes was ended."
    assert attached.kernel.finish(execution).error == told
    assert not [process for process in attached.processes() if b"4711" in process]


def test_installed_package_is_there_at_once_everywhere(attached: Attached) -> None:
    folder = attached.layout.shared(attached.spec.workspace.uuid)
    wheels.build(folder, "tiny_thing")
    attached.kernel.run("%px import json")

    installed = attached.kernel.run("%ppip install --no-index ./tiny_thing-1.0-py3-none-any.whl")
    there = attached.kernel.run("%px import tiny_thing; print(tiny_thing.VERSION)")
    here = attached.kernel.run("import tiny_thing; tiny_thing.VERSION")
    shown = attached.kernel.run("%ppip show tiny-thing")
    known = attached.case.cloud.installed_packages(attached.spec)
    removed = attached.kernel.run("%ppip uninstall Tiny.Thing")

    assert "Successfully installed tiny_thing-1.0" in installed.stdout.replace("-thing", "_thing")
    assert installed.stdout.endswith("2 nodes: they share one environment, so this ran once.\n")
    assert sorted(there.stdout.splitlines()) == ["[stdout:0] 1.0", "[stdout:1] 1.0"]
    assert here.results == ["'1.0'"]
    assert "Version: 1.0" in shown.stdout
    assert known == (f"pip install --no-index {folder}/tiny_thing-1.0-py3-none-any.whl",)
    assert "Successfully uninstalled" in removed.stdout
    assert attached.case.cloud.installed_packages(attached.spec) == ()


def test_installation_that_fails_is_told_and_not_kept(attached: Attached) -> None:
    cell = attached.kernel.run("%ppip install --no-index no-such-package-at-all")

    assert "2 nodes: exit code 1; they share one environment" in cell.stdout
    assert attached.case.cloud.installed_packages(attached.spec) == ()


def test_without_conda_the_alternative_is_named(attached: Attached) -> None:
    """F140."""
    cell = attached.kernel.run("%pconda install -c conda-forge six")

    assert cell.text == (
        "There is no conda in the environment of demo. Use %ppip in its place, for example: "
        "%ppip install <PACKAGE_NAME>"
    )


def test_conda_gets_its_words_and_is_never_asked_back(attached: Attached) -> None:
    environment = attached.layout.cluster(attached.spec.uuid) / "env"
    (environment / "conda-meta").mkdir()
    conda = environment / "bin" / "conda"
    conda.write_text("#!/bin/sh\nprintf '<%s>' \"$@\"\n")
    conda.chmod(0o700)

    try:
        install = attached.kernel.run("%pconda install -c conda-forge 'six >=1.0'")
        known = attached.case.cloud.installed_packages(attached.spec)
        remove = attached.kernel.run("%pconda remove six")
        listed = attached.kernel.run("%pconda list")
    finally:
        conda.unlink()
        (environment / "conda-meta").rmdir()

    assert install.stdout.startswith("<install><-c><conda-forge><six >=1.0><--yes>")
    assert known == ("conda install -c conda-forge 'six >=1.0'",)
    assert remove.stdout.startswith("<remove><six><--yes>")
    assert listed.stdout.startswith("<list>2 nodes")
    assert attached.case.cloud.installed_packages(attached.spec) == ()


def test_hostfile_is_written_from_the_nodes_that_run(attached: Attached) -> None:
    """F182."""
    path = attached.layout.hostfile(attached.spec.workspace.uuid, attached.spec.uuid)
    right = path.read_text()
    path.write_text("127.9.9.9:1\n")

    cell = attached.kernel.run("%update_hostfile")

    assert cell.text == "Successfully updated hostfile. Please restart the kernel.\n"
    assert path.read_text() == right


def test_paused_cluster_is_told_and_found_again_in_another_size(attached: Attached) -> None:
    attached.kernel.run("%px mine = 1")

    attached.stop()
    paused = attached.kernel.run("%%px\nprint('never')")
    attached.start(nodes=1)
    shell = attached.kernel.run("%psh true")
    again = attached.kernel.run("%px print(globals().get('mine'))")

    assert paused.text == (
        "The cluster demo is paused, or is being restarted or scaled. Resume it if it is paused, "
        "and run the cell again when it is RUNNING."
    )
    assert again.stdout == "[stdout:0] None\n", again
    assert again.stderr == (
        "demo was started afresh: connected to its 1 new engine. "
        "Variables and imports on the earlier ones are gone.\n"
    )
    assert shell.stdout.startswith("1 node: ")


def test_engines_lost_under_a_cell_end_it_with_a_sentence(attached: Attached) -> None:
    execution = attached.kernel.start("%%px\nimport time\nprint('on', flush=True)\ntime.sleep(600)")
    attached.kernel.until(execution, "on")

    attached.stop()
    cell = attached.kernel.finish(execution)

    assert cell.error.count("\n") == 0
    assert cell.error.startswith("The cluster demo ")


def test_packages_come_back_on_fresh_nodes_and_a_missing_one_is_told(attached: Attached) -> None:
    folder = attached.layout.shared(attached.spec.workspace.uuid)
    wheels.build(folder, "small_thing")
    spec = replace(
        attached.spec,
        packages=(
            f"pip install --no-index {folder}/small_thing-1.0-py3-none-any.whl",
            "pip install --no-index no-such-thing",
        ),
    )

    drive(lambda: attached.case.cloud.remove_cluster(spec, attached.case.ledger), 30)
    status = create(attached.case, spec)
    attached.kernel.restart()  # its environment went with the cluster
    there = attached.kernel.run("%px import small_thing; print(small_thing.VERSION)")

    assert sorted(there.stdout.splitlines()) == ["[stdout:0] 1.0", "[stdout:1] 1.0"]
    assert status.message == (
        "All 2 engines answered. Not put back: no-such-thing (Could not find a version that "
        "satisfies the requirement no-such-thing (from versions: none)). Install it again in a "
        "notebook, with %ppip install"
    )
    assert attached.case.cloud.installed_packages(spec) == spec.packages


def test_engine_that_ends_is_told_in_a_sentence(attached: Attached) -> None:
    cell = attached.kernel.run("%%px --targets 0\nimport os; os._exit(3)")

    assert cell.text == (
        "The cluster demo does not answer any more: its processes have ended. See its page for "
        "the reason, start it there again, then run the cell again."
    )
