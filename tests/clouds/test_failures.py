from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.clouds.shims import python, shim_run
from workspaces.clouds.local.shim import failures
from workspaces.clouds.local.shim.failures import Failures, failures_path
from workspaces.clouds.local.shim.logfile import LogWriter, parse_record

TRACE = [b"Traceback (most recent call last):", b'  File "ex.py"', b"ValueError: bad"]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """``clock[0]`` is now."""
    now = [1000.0]
    monkeypatch.setattr(failures.time, "monotonic", lambda: now[0])
    return now


def _noted(log: Path) -> dict[str, dict[str, object]]:
    path = failures_path(log)
    found: dict[str, dict[str, object]] = json.loads(path.read_text()) if path.exists() else {}
    return found


def test_offset_is_where_the_traceback_begins(tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    writer = LogWriter(log)
    writer.write(0, "o", [b"hello"])
    writer.write(2, "e", [b"a warning", *TRACE[:2]])
    writer.write(0, "o", [b"between"])
    writer.write(2, "e", TRACE[2:])
    writer.close()

    noted = _noted(log)

    offset = noted["2"]["offset"]
    assert isinstance(offset, int)
    record = parse_record(log.read_bytes()[offset:].split(b"\n")[0])
    assert list(noted) == ["2"]
    assert noted["2"]["line"] == "ValueError: bad"
    assert record is not None
    assert (record.rank, record.text) == (2, TRACE[0].decode())


def test_rank_that_went_on_writing_had_caught_it(clock: list[float]) -> None:
    kept = Failures()
    kept.note(0, "e", TRACE, b"\n".join(TRACE), 100)
    kept.note(1, "e", TRACE, b"\n".join(TRACE), 200)
    clock[0] += 3600

    kept.note(0, "o", [b"going on"], b"going on", 300)

    assert list(kept.as_dict()) == ["1"]


def test_the_last_of_several_counts() -> None:
    kept = Failures()
    data = b"".join(line + b"\n" for line in TRACE)
    kept.note(0, "e", TRACE, data, len(data))
    kept.note(0, "e", [*TRACE[:2], b"KeyError: 1"], data, 1000)

    [words] = kept.as_dict().values()

    assert (words["offset"], words["line"]) == (1000 - len(data), "KeyError: 1")


def test_run_without_an_exception_notes_nothing(tmp_path: Path) -> None:
    run = shim_run(tmp_path, python("print('Traceback (most recent call last):')"))
    run.start()
    run.end()

    assert _noted(Path(run.spec.log)) == {}
