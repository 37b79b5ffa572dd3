from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clouds.shims import command, python, shim_run
from workspaces.clouds.local.shim.logfile import (
    LIMIT,
    LineCutter,
    LogWriter,
    parse_record,
    read_records,
    read_records_before,
)


def test_lines_come_whole_however_they_are_written() -> None:
    cutter = LineCutter()

    found = cutter.feed(b"one\ntw") + cutter.feed(b"o\n\nthr") + cutter.finish()

    assert found == [b"one", b"two", b"", b"thr"]


def test_cut_of_a_long_line_splits_no_character() -> None:
    line = ("ä" * LIMIT).encode()
    cutter = LineCutter()

    pieces = cutter.feed(b"x" + line) + cutter.finish()

    assert b"".join(pieces) == b"x" + line
    assert all(len(piece) <= LIMIT for piece in pieces)
    assert [piece.decode() for piece in pieces]


@pytest.mark.parametrize("size", [1, 7, 4096, 200_000])
def test_secret_is_masked_wherever_the_reads_cut_it(size: int) -> None:
    cutter = LineCutter([b"hunter22"])
    text = b"a" * (LIMIT - 3) + b"hunter22" + b"b" * LIMIT + b"hunter22\n"

    pieces = [p for at in range(0, len(text), size) for p in cutter.feed(text[at : at + size])]

    assert b"hunter22" not in b"".join(pieces)
    assert b"".join(pieces).count(b"********") == 2


def test_a_full_log_keeps_the_beginning_and_the_platforms_lines(tmp_path: Path) -> None:
    log = LogWriter(tmp_path / "log", limit=200)

    for number in range(50):
        log.write(0, "o", [f"line {number}".encode()])
    log.platform("Ended with exit code 0")

    texts = [line.split(b"\t")[3] for line in (tmp_path / "log").read_bytes().splitlines()]
    assert texts[0] == b"line 0"
    assert texts.count(b"The log is full at 200 bytes; further output is not kept") == 1
    assert texts[-1] == b"Ended with exit code 0"
    assert len(texts) < 12


def test_a_rolling_log_keeps_the_end_in_two_files(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = LogWriter(path, limit=2000, is_rolling=True)

    for number in range(5000):
        log.write(None, "p", [f"line {number}".encode()])
    log.platform("The server ended.")

    before = path.with_name("log.before").read_bytes().splitlines()
    now = path.read_bytes().splitlines()
    texts = [record.split(b"\t")[3] for record in [*before, *now]]
    assert texts[-2:] == [b"line 4999", b"The server ended."]
    assert texts[:-1] == [f"line {n}".encode() for n in range(5001 - len(texts), 5000)]
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 4100


def test_a_rolling_log_outlives_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "run" / "log"
    log = LogWriter(path, limit=100, is_rolling=True)
    shutil.rmtree(path.parent)

    for number in range(50):
        log.write(None, "p", [f"line {number}".encode()])


def test_record_keeps_tabs_and_replaces_what_is_no_text() -> None:
    line = parse_record(b"12.345\t3\te\ta\tb\xff\0c")

    assert line is not None
    assert (line.at, line.rank, line.stream, line.text) == (12.345, 3, "stderr", "a\tb��c")


@pytest.mark.parametrize("record", [b"", b"torn", b"1.0\t-\tq\tx", b"x\t-\tp\tx"])
def test_what_is_no_record_is_left_out(record: bytes) -> None:
    assert parse_record(record) is None


def test_reading_by_offset_gives_each_record_once(tmp_path: Path) -> None:
    path = tmp_path / "log"
    LogWriter(path).write(0, "o", [f"line {n}".encode() for n in range(100)])
    found, offset = [], 0

    while True:
        data, size = read_records(path, offset, 50)
        found += data.split(b"\n")[:-1]
        offset += len(data)
        if offset == size:
            break

    assert [record.split(b"\t")[3] for record in found] == [b"line %d" % n for n in range(100)]


@pytest.mark.parametrize("size", [1, 30, 50, 4000, 100_000])
def test_reading_backwards_gives_each_record_once(tmp_path: Path, size: int) -> None:
    path = tmp_path / "log"
    lines = [b"line %d" % n + b"x" * (n % 7) for n in range(100)] + [b"y" * LIMIT, b"last"]
    LogWriter(path).write(0, "o", lines)
    found: list[bytes] = []
    before: int | None = None

    while before != 0:
        data, before, _ = read_records_before(path, before, size)
        found = data.split(b"\n")[:-1] + found

    assert [record.split(b"\t")[3] for record in found] == lines


def test_reading_backwards_leaves_a_torn_last_record_out(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"1.0\t-\tp\twhole\n1.0\t-\tp\tto")

    data, begin, size = read_records_before(path, None, 1000)

    assert (data, begin) == (b"1.0\t-\tp\twhole\n", 0)
    assert size == path.stat().st_size


def test_a_record_longer_than_asked_for_comes_whole(tmp_path: Path) -> None:
    path = tmp_path / "log"
    LogWriter(path).write(0, "o", [b"x" * LIMIT])

    data, size = read_records(path, 0, 10)

    assert len(data) == size


def test_a_torn_last_record_waits(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"1.0\t-\tp\twhole\n1.0\t-\tp\tto")

    data, _ = read_records(path, 0, 1000)

    assert data == b"1.0\t-\tp\twhole\n"


FIFO_WRITERS = """
import os, subprocess, sys
code = '''
import os, sys
rank = sys.argv[1]
for kind in ("out", "err"):
    os.dup2(os.open(f"{sys.argv[2]}/{kind}.{rank}", os.O_RDWR), 1 if kind == "out" else 2)
for n in range(2000):
    os.write(1, f"o{rank}-{n}".encode()); os.write(1, b"\\\\n")
    os.write(2, f"e{rank}-{n}\\\\n".encode())
'''
family = [subprocess.Popen([sys.executable, "-c", code, str(r), sys.argv[1]]) for r in range(3)]
sys.exit(max(p.wait() for p in family))
"""


def test_lines_of_many_writers_are_exact(tmp_path: Path) -> None:
    run = shim_run(tmp_path)
    argv = [sys.executable, "-c", FIFO_WRITERS, str(run.folder / "fifo")]
    run.spec.stages.append(command(argv, output="ranks", ranks=3))

    run.start()
    assert run.end().exit_code == 0

    for rank in range(3):
        for stream, sign in (("stdout", "o"), ("stderr", "e")):
            found = [x.text for x in run.lines() if x.rank == rank and x.stream == stream]
            assert found == [f"{sign}{rank}-{n}" for n in range(2000)]


def test_a_huge_line_leaves_memory_flat(tmp_path: Path) -> None:
    script = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from pathlib import Path
from workspaces.clouds.local.shim.logfile import LineCutter, LogWriter
log, cutter, chunk = LogWriter(Path(sys.argv[1])), LineCutter([b"secret-x"]), b"y" * 65536
for _ in range(800):
    log.write(0, "o", cutter.feed(chunk))
log.write(0, "o", cutter.finish())
status = dict(line.split(":") for line in open("/proc/self/status").read().splitlines())
print(status["VmHWM"].split()[0])
"""
    argv = [sys.executable, "-I", "-S", "-c", script, str(tmp_path / "log")]

    done = subprocess.run(argv, check=True, capture_output=True, text=True)

    assert (tmp_path / "log").stat().st_size > 800 * 65536
    assert int(done.stdout) < 40_000  # KiB, the interpreter's own included


def test_held_words_of_the_launcher_show_only_after_a_failure(tmp_path: Path) -> None:
    good = shim_run(tmp_path, python("print('BAD TERMINATION')", output="ranks", ranks=1))
    bad = shim_run(tmp_path, python("print('BAD TERMINATION'); exit(9)", output="ranks", ranks=1))

    for run in (good, bad):
        run.start()
        run.end()

    assert "BAD TERMINATION" not in good.texts()
    assert "BAD TERMINATION" in bad.texts()


def test_a_child_that_keeps_the_output_open_does_not_hang_the_end(tmp_path: Path) -> None:
    run = shim_run(
        tmp_path,
        python(
            "import subprocess; print('over', flush=True); "
            "subprocess.Popen(['sleep', '600'], start_new_session=True)"
        ),
    )

    run.start()

    assert run.end(timeout=5).exit_code == 0
    assert run.processes() == []
