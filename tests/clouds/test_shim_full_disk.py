"""A run whose disk is full: it goes on, its end is kept until there is room, nothing is torn."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clouds.shims import ShimRun, command, python, shim_run
from tests.small_disk import SmallDisk, small_disk
from tests.waiting import wait_until
from workspaces.clouds.base import CloudError
from workspaces.clouds.local import runs

pytestmark = pytest.mark.fault

# As a rank does: prints into its FIFO, until it finds the file that it is told to wait for; slowly
# from when there is one named "slowly" beside it, so that room that was made is left for a while.
TALKER = """
import os, sys, time
slowly = os.path.join(os.path.dirname(sys.argv[2]), "slowly")
sys.stdout = open(sys.argv[1], "w")
number = 0
while not os.path.exists(sys.argv[2]):
    print(f"line {number} " + "x" * 900, flush=True)
    number += 1
    time.sleep(0.01 * os.path.exists(slowly))
print(f"printed {number} lines")
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", mib=3) as small:
        yield small


@pytest.fixture
def enough(tmp_path: Path) -> Path:
    return tmp_path / "enough"


@pytest.fixture
def talker(disk: SmallDisk, enough: Path) -> ShimRun:
    stage = python(TALKER, output="ranks", ranks=1)
    run = shim_run(disk.path, stage)
    stage.argv.extend([str(run.folder / "fifo" / "out.0"), str(enough)])
    return run


def test_output_without_room_is_counted_and_the_end_is_told_when_there_is_some(
    talker: ShimRun, disk: SmallDisk, enough: Path
) -> None:
    disk.fill(leave=2**20)
    talker.start()
    wait_until(lambda: not disk.free, timeout=20)

    enough.touch()
    wait_until(lambda: len(talker.processes()) == 1)  # the program is gone, its shim waits
    is_unfinished = not talker.state().is_exited
    disk.make_room()

    assert is_unfinished
    end = talker.end()
    assert (end.reason, end.exit_code) == ("", 0)
    *_, missed, last = texts = talker.texts()  # whole records, all of them
    assert re.fullmatch(r"The disk was full: \d+ lines of output were not kept", missed)
    assert last == "Ended with exit code 0"
    numbers = [int(text.split()[1]) for text in texts if text.startswith("line ")]
    assert numbers[:500] == list(range(500))


def test_output_goes_on_where_there_is_room_again(
    talker: ShimRun, disk: SmallDisk, enough: Path
) -> None:
    disk.fill(leave=2**19)
    talker.start()
    wait_until(lambda: not disk.free, timeout=20)

    (enough.parent / "slowly").touch()
    disk.make_room()
    wait_until(lambda: any("The disk was full" in text for text in talker.texts()))
    enough.touch()

    talker.end()
    texts = talker.texts()
    place = next(n for n, text in enumerate(texts) if "The disk was full" in text)
    before, after = (int(texts[place + step].split()[1]) for step in (-1, 1))
    assert f"The disk was full: {after - before - 1} lines" in texts[place]


def test_nothing_is_started_without_room_for_its_state(disk: SmallDisk, tmp_path: Path) -> None:
    run = shim_run(disk.path, command(["touch", str(tmp_path / "started")]))
    disk.fill()

    with pytest.raises(CloudError, match="The disk of the platform's machine is full") as refused:
        run.start()

    assert refused.value.code == "NoSpace"
    assert refused.value.retryable
    disk.make_room()
    run.start()
    assert run.end().exit_code == 0


def test_disk_that_filled_up_at_the_very_start_starts_nothing(
    disk: SmallDisk, tmp_path: Path
) -> None:
    run = shim_run(disk.path, command(["touch", str(tmp_path / "started")]))
    runs.prepare(run.folder, run.spec)
    disk.fill()

    runs.start(run.folder, {})
    wait_until(lambda: not run.processes())

    assert not (tmp_path / "started").exists()
    assert runs.look(run.folder, run.state_path).state is None
    disk.make_room()
    run.start()
    assert run.end().exit_code == 0


def test_killed_run_is_buried_when_there_is_room(talker: ShimRun, disk: SmallDisk) -> None:
    disk.fill(leave=2**19)
    talker.start()
    wait_until(lambda: not disk.free, timeout=20)
    os.kill(talker.state().pid, signal.SIGKILL)
    wait_until(lambda: runs.look(talker.folder, talker.state_path).is_lost)

    without_room = runs.bury(talker.folder, talker.state_path)
    disk.make_room()
    with_room = runs.bury(talker.folder, talker.state_path)

    assert without_room.is_lost
    assert with_room.is_exited
    assert talker.texts()[-1] == "The process that watched this run was killed"


def test_run_on_a_full_disk_ends_when_it_is_told_to(talker: ShimRun, disk: SmallDisk) -> None:
    disk.fill(leave=2**19)
    talker.start()
    wait_until(lambda: not disk.free, timeout=20)

    runs.tell_to_end(talker.folder, talker.state_path, reason="Cancelled")
    wait_until(lambda: len(talker.processes()) == 1)
    disk.make_room()

    assert talker.end().reason == "Cancelled"
    assert talker.texts()[-1] == "Ended on request"
