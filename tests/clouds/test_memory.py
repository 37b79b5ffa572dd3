from __future__ import annotations

from pathlib import Path

import pytest

from workspaces.clouds.local.shim import memory
from workspaces.clouds.local.shim.runner import EndOfRun, Runner
from workspaces.clouds.local.shim.state import Spec, Stage


@pytest.mark.parametrize(
    ("groups", "file", "text", "count"),
    [
        ("0::/user/job", "user/job/memory.events", "low 0\noom 3\noom_kill 2\n", 2),
        ("4:memory:/box\n0::/", "memory/box/memory.oom_control", "under_oom 0\noom_kill 5\n", 5),
        ("0::/", "unused", "", 7),
        ("0::/user/job", "unused", "", 7),
    ],
    ids=["version 2", "version 1", "root group", "no controller"],
)
def test_kills_are_of_our_group_or_of_the_machine(
    tmp_path: Path, groups: str, file: str, text: str, count: int
) -> None:
    proc, root = tmp_path / "proc", tmp_path / "groups"
    (proc / "self").mkdir(parents=True)
    (proc / "self" / "cgroup").write_text(groups + "\n")
    (proc / "vmstat").write_text("pgfault 1\noom_kill 7\n")
    (root / file).parent.mkdir(parents=True)
    (root / file).write_text(text)

    assert memory.kills(proc, root) == count


def test_a_kernel_that_does_not_tell(tmp_path: Path) -> None:
    assert memory.kills(tmp_path, tmp_path) is None


def _killed_rank(tmp_path: Path) -> EndOfRun:
    """The shim's end of a run whose launcher reports a rank that was killed."""
    words = "=   EXIT CODE: 9"
    stage = Stage(
        name="run",
        argv=["sh", "-c", f"echo '{words}'; exit 9"],
        cwd="/",
        env={"PATH": "/usr/bin:/bin"},
        output="ranks",
        ranks=1,
    )
    folder = tmp_path / "run"
    folder.mkdir()
    spec = Spec("r", str(tmp_path / "log"), str(tmp_path / "state"), {}, [stage])
    runner = Runner(folder, spec, {})
    runner._start(stage)
    (folder / "lock").touch()
    with pytest.raises(EndOfRun) as caught:
        runner._wait_for_end(stage)
    return caught.value


@pytest.mark.parametrize(
    ("counts", "reason"),
    [((3, 4), "OutOfMemory"), ((3, 3), "NonZeroExitCode"), ((None, None), "NonZeroExitCode")],
    ids=["rose", "same", "unknown"],
)
def test_killed_rank_is_out_of_memory_only_where_the_kernel_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counts: tuple[object, ...], reason: str
) -> None:
    told = iter(counts)
    monkeypatch.setattr(memory, "kills", lambda: next(told))

    end = _killed_rank(tmp_path)

    assert (end.reason, end.exit_code) == (reason, 9)
