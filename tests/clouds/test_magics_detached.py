"""A notebook that is attached to nothing (F122, F123, V22), in a real kernel."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clouds.kernels import OWN_PYTHON, Kernel, kernel

WARNING = (
    "This notebook is not attached to a cluster. "
    "Please attach it to a cluster for parallel execution.\n"
)


@pytest.fixture(scope="module")
def detached(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    folder = tmp_path_factory.mktemp("detached")
    with kernel(OWN_PYTHON, folder, {"HOME": str(folder)}, cwd=folder) as found:
        yield found


@pytest.mark.parametrize(
    "code",
    [
        "%%px\nopen('ran', 'w')",
        "%%px --targets 0\nopen('ran', 'w')",
        "%px open('ran', 'w')",
        "%pxconfig --noblock",
        "%pxresult",
        "%psh touch ran",
        "%ppip install '$HOME' {no_such_name}",
        "%pconda remove --all",
        "%update_hostfile",
    ],
)
def test_parallel_magic_runs_nothing_and_says_so_in_red(detached: Kernel, code: str) -> None:
    cell = detached.run(code)

    assert (cell.text, cell.stderr) == (WARNING, WARNING)
    assert cell.raw.startswith("\x1b[1;31m")
    assert detached.run("import os; os.path.exists('ran')").results == ["False"]


def test_autopx_does_not_swallow_later_cells(detached: Kernel) -> None:
    assert detached.run("%autopx").text == WARNING
    assert detached.run("6 * 7").results == ["42"]


def test_loading_costs_no_parallel_library(detached: Kernel) -> None:
    """A kernel is there as quickly as without the extension."""
    assert detached.run("import sys; 'ipyparallel' in sys.modules").results == ["False"]
