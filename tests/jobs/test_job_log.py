"""The log's pages: bounded, from the end, filtered, folded, followed without loss, downloaded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from jobs.logs import LogQuery, first_failure, folded, rank_words, read_backward, read_forward
from jobs.models import Job
from tests.fake_cloud import FakeCloud
from workspaces.clouds.commands import LogLine
from workspaces.clouds.local.driver import LocalCloud
from workspaces.clouds.local.shim.logfile import LogWriter
from workspaces.clouds.local.shim.state import RunState
from workspaces.models import Workspace

REQUEST_BYTES = 200_000
HTMX = {"HTTP_HX_REQUEST": "true"}


@pytest.fixture
def logs(cloud: FakeCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalCloud:
    """The real log of the Local driver under the fake cloud."""
    local = LocalCloud({"root": tmp_path / "state", "cores": 4})
    monkeypatch.setattr(cloud, "read_log", local.read_log)
    monkeypatch.setattr(cloud, "read_log_before", local.read_log_before)
    monkeypatch.setattr(cloud, "log_failures", local.log_failures)
    return local


@pytest.fixture
def write(logs: LocalCloud) -> Callable[..., None]:
    def append(command: UUID, lines: Iterable[tuple[int | None, str, str]]) -> None:
        log = LogWriter(logs._layout.log(command))
        for rank, stream, text in lines:
            log.write(rank, stream, [text.encode()])
        log.close()

    return append


@pytest.fixture
def end(logs: LocalCloud) -> Callable[[Job], None]:
    def finish(job: Job, state: str = "SUCCEEDED") -> None:
        ended = RunState(str(job.uuid), "boot", 0, 0, 1.0, is_exited=True)
        ended.write(logs._layout.command_state(job.command_uuid))
        Job.objects.filter(pk=job.pk).update(state=state, started_at=timezone.now())

    return finish


@pytest.fixture
def ask(person: Client, workspace: Workspace) -> Callable[..., str]:
    """A part of the log, as HTMX asks for it; no answer is ever larger than 200 kB."""

    def get(job: Job, url: str = "", **query: Any) -> str:
        url = url or reverse("jobs:log", args=[workspace.uuid, job.uuid])
        response = person.get(url, query, **HTMX)  # type: ignore[arg-type]
        assert response.status_code == 200
        assert len(response.content) < REQUEST_BYTES
        return response.content.decode()

    return get


def shown(page: str) -> list[str]:
    lines = re.findall(r'<div class="log-line[^"]*">(.*?)</div>', page, re.DOTALL)
    return [re.sub(r"<[^>]+>", "", line) for line in lines]


def link(page: str, kind: str) -> str:
    pattern = {
        "next": r'class="log-next" hx-get="([^"]+)"',
        "earlier": r'class="log-gap">\s*<a [^>]*hx-get="([^"]+)"',
    }[kind]
    found = re.search(pattern, page)
    return found.group(1).replace("&amp;", "&") if found else ""


def numbered(count: int, *, begin: int = 0) -> list[tuple[int | None, str, str]]:
    return [(0, "o", f"line {n}") for n in range(begin, begin + count)]


def test_large_log_opens_at_its_end_and_goes_back_to_its_beginning(
    submit: Callable[..., Job],
    write: Callable[..., None],
    end: Callable[[Job], None],
    ask: Callable[..., str],
) -> None:
    job = submit()
    write(job.uuid, numbered(5000))
    end(job)

    page = ask(job)
    lines = shown(page)
    assert lines[-1] == "0: line 4999"
    assert len(lines) < 2000
    assert "End of the log" in page
    while earlier := link(page, "earlier"):
        page = ask(job, earlier)
        lines = shown(page) + lines

    assert lines == [f"0: line {n}" for n in range(5000)]


def test_following_sees_each_line_once_over_lost_answers(
    submit: Callable[..., Job], write: Callable[..., None], ask: Callable[..., str]
) -> None:
    """An answer that got lost on its way is asked for again from the same byte."""
    job = submit()
    write(job.uuid, numbered(10))
    Job.objects.update(state="RUNNING", started_at=timezone.now())
    page = ask(job)
    lines = shown(page)

    for turn in range(1, 6):
        write(job.uuid, numbered(300, begin=10 + 300 * (turn - 1)))
        ask(job, link(page, "next"))  # lost
        page = ask(job, link(page, "next"))
        lines += shown(page)

    while more := shown(page := ask(job, link(page, "next"))):
        lines += more
    assert lines == [f"0: line {n}" for n in range(10 + 5 * 300)]
    assert "Following…" in page


def test_job_that_lost_its_cluster_before_its_first_line_is_not_followed_for_ever(
    submit: Callable[..., Job], logs: LocalCloud, ask: Callable[..., str]
) -> None:
    job = submit()
    Job.objects.update(state="FAILED", started_at=timezone.now(), finished_at=timezone.now())

    page = ask(job)

    assert "End of the log" in page
    assert "Following…" not in page


def test_reader_far_behind_goes_on_at_the_end_and_nothing_is_out_of_reach(
    submit: Callable[..., Job], write: Callable[..., None], ask: Callable[..., str]
) -> None:
    job = submit()
    write(job.uuid, numbered(1))
    Job.objects.update(state="RUNNING", started_at=timezone.now())
    page = ask(job)
    write(job.uuid, [(0, "o", f"{n:060}") for n in range(20_000)])

    page = ask(job, link(page, "next"))
    lines = shown(page)
    assert lines[-1].endswith("19999")
    asked = 0
    while earlier := link(page, "earlier"):
        page = ask(job, earlier)
        lines = shown(page) + lines
        asked += 1

    assert lines == [f"0: {n:060}" for n in range(20_000)]
    assert asked > 10


@pytest.mark.parametrize("text", ["'" * 60_000, '"<&>' * 16_000, "\N{SNOWMAN}" * 20_000, ""])
def test_no_request_is_large_whatever_is_printed(
    submit: Callable[..., Job],
    write: Callable[..., None],
    end: Callable[[Job], None],
    ask: Callable[..., str],
    text: str,
) -> None:
    job = submit()
    write(job.uuid, [(0, "o", text)] * (5 if text else 20_000))
    end(job)

    page = ask(job)
    ask(job, stream="stdout")
    ask(job, stream="stdout", fold="no")

    if text:
        assert "more characters; the download has them" in page


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"rank": 1}, ["1: b out", "1: b err"]),
        ({"stream": "stderr"}, ["1: b err", "2: C err"]),
        ({"rank": 1, "stream": "stderr"}, ["1: b err"]),
        ({"q": "c ERR"}, ["2: C err"]),
        ({"stream": "platform"}, ["Running"]),
        ({"q": "nowhere"}, []),
    ],
)
def test_filters_and_search(
    submit: Callable[..., Job],
    write: Callable[..., None],
    end: Callable[[Job], None],
    ask: Callable[..., str],
    query: dict[str, Any],
    expected: list[str],
) -> None:
    job = submit()
    lines = [
        (None, "p", "Running"),
        (0, "o", "a out"),
        (1, "o", "b out"),
        (1, "e", "b err"),
        (2, "e", "C err"),
    ]
    write(job.uuid, lines)
    end(job)

    page = ask(job, **query)

    assert shown(page) == expected
    assert ("No line matches." in page) is (not expected)


def test_search_of_a_large_log_goes_on_by_itself_in_bounded_steps(
    submit: Callable[..., Job],
    write: Callable[..., None],
    end: Callable[[Job], None],
    ask: Callable[..., str],
) -> None:
    job = submit()
    filler = "x" * 1000
    needles = [(0, "o", "needle one"), *[(0, "o", filler)] * 5000, (0, "o", "needle two")]
    write(job.uuid, needles)
    end(job)

    page = ask(job, q="needle")
    steps, lines = 1, shown(page)
    assert re.search(r"Searched 1\.9.MB of 4\.9.MB, go on", page)
    assert re.search(r'<progress max="5\d{6}" value="20\d{5}"', page)
    while following := link(page, "next"):
        page = ask(job, following)
        lines += shown(page)
        steps += 1

    assert lines == ["0: needle one", "0: needle two"]
    assert steps == 3


def test_first_failing_rank_is_on_top(
    submit: Callable[..., Job],
    person: Client,
    workspace: Workspace,
    write: Callable[..., None],
    end: Callable[..., None],
    ask: Callable[..., str],
) -> None:
    job = submit()
    trace = ["Traceback (most recent call last):", '  File "ex.py", line 3', "ValueError: bad"]
    write(
        job.uuid,
        [
            *[(0, "e", text) for text in [trace[0], "KeyError: handled"]],
            *numbered(50),
            *[(2, "e", text) for text in trace],
            *[(1, "e", text) for text in trace],
            *[(0, "e", text) for text in trace],
        ],
    )
    end(job, "FAILED")

    page = ask(job)

    assert "Rank 2 failed first; rank 0-1 in the same way" in page
    top, _, log = page.partition('role="log"')
    assert trace[-1] in top
    assert "KeyError" not in top
    assert trace[-1] in log
    assert "{{" not in page


def line(at: float, rank: int | None, text: str, stream: str = "stdout") -> LogLine:
    return LogLine(at, rank, stream, text)


def pairs(lines: Iterable[LogLine]) -> list[tuple[str, str]]:
    return [(found.ranks, found.text) for found in folded(lines)]


def test_equal_lines_of_ranks_are_folded_in_any_interleaving() -> None:
    in_turn = [line(1, rank, text) for text in "ab" for rank in range(4)]
    one_by_one = [line(1, rank, text) for rank in range(4) for text in "ab"]

    assert pairs(in_turn) == pairs(one_by_one) == [("0-3", "a"), ("0-3", "b")]


def test_folding_keeps_each_ranks_order_and_repetitions() -> None:
    lines = [line(1, 0, "a"), line(1, 0, "a"), line(1, 1, "b"), line(1, 1, "a"), line(1, 0, "b")]

    found = pairs(lines)

    for rank in ("0", "1"):
        own = [text for ranks, text in found if rank in ranks.replace("0-1", "0,1").split(",")]
        assert own == [part.text for part in lines if part.rank == int(rank)]


@pytest.mark.parametrize(
    "other", [line(9, 1, "a"), line(1, 1, "a", "stderr"), line(1, None, "a", "platform")]
)
def test_what_only_looks_equal_stays_apart(other: LogLine) -> None:
    assert len(folded([line(1, 0, "a"), other])) == 2


def test_rank_words() -> None:
    assert rank_words([7, 1, 0, 3, 2, None]) == "0-3,7"


def test_download_is_the_whole_log_in_pieces(
    submit: Callable[..., Job],
    write: Callable[..., None],
    end: Callable[[Job], None],
    person: Client,
    workspace: Workspace,
) -> None:
    job = submit()
    write(job.uuid, [(None, "p", "Running"), *[(3, "e", "y" * 5000)] * 200])
    end(job)

    response = person.get(reverse("jobs:log_download", args=[workspace.uuid, job.uuid]))

    pieces = list(response.streaming_content)  # type: ignore[attr-defined]
    assert b"".join(pieces).decode().splitlines() == ["Running", *["3: " + "y" * 5000] * 200]
    assert max(map(len, pieces)) < 400_000
    assert "attachment" in response["Content-Disposition"]


def test_each_attempt_has_its_own_log(
    submit: Callable[..., Job], write: Callable[..., None], ask: Callable[..., str]
) -> None:
    job = submit(retries=1)
    Job.objects.update(attempt=2)
    job.refresh_from_db()
    for number in (1, 2):
        write(job.command_uuid_of(number), [(0, "o", f"attempt {number}")])

    assert shown(ask(job, attempt=1)) == ["0: attempt 1"]
    assert shown(ask(job)) == ["0: attempt 2"]
    assert "End of the log" in ask(job, attempt=1)


@pytest.mark.parametrize(
    "query", [{"offset": "-1"}, {"before": "x"}, {"rank": "²"}, {"attempt": "9" * 30}]
)
def test_malformed_positions_are_refused(
    submit: Callable[..., Job], person: Client, workspace: Workspace, query: dict[str, str]
) -> None:
    url = reverse("jobs:log", args=[workspace.uuid, submit().uuid])

    assert person.get(url, query).status_code == 400


def test_reading_is_bounded_below_by_what_is_shown_already(
    submit: Callable[..., Job], write: Callable[..., None], logs: LocalCloud
) -> None:
    job = submit()
    write(job.uuid, numbered(200))
    first = read_forward(logs, job.uuid, LogQuery(1), 0)
    middle = logs.read_log(job.uuid, offset=0, max_bytes=1000).next_offset

    page = read_backward(logs, job.uuid, LogQuery(1), before=first.next_offset, floor=middle)

    assert page.offset == middle
    assert not page.is_full


def test_no_traceback_is_no_failure(
    submit: Callable[..., Job], write: Callable[..., None], logs: LocalCloud
) -> None:
    job = submit()
    write(job.uuid, numbered(3))

    assert first_failure(logs, job.uuid) is None


TRACE = ["Traceback (most recent call last):", '  File "ex.py", line 3', "ValueError: bad"]


def _failing(rank: int) -> list[tuple[int | None, str, str]]:
    return [(rank, "e", text) for text in TRACE]


def test_first_failing_rank_is_found_far_from_the_end(
    submit: Callable[..., Job],
    write: Callable[..., None],
    end: Callable[..., None],
    ask: Callable[..., str],
) -> None:
    """Two megabytes of another rank's output come after it."""
    job = submit()
    filler: list[tuple[int | None, str, str]] = [(0, "o", "x" * 1000)] * 2000
    interleaved = [line for pair in zip(_failing(3), numbered(3), strict=True) for line in pair]
    write(job.uuid, [*numbered(10), *interleaved, *filler, *_failing(1), *filler])
    end(job, "FAILED")

    page = ask(job)

    assert "Rank 3 failed first; rank 1 in the same way" in page
    shown_words = re.search(r'<pre tabindex="0">(.*?)</pre>', page, re.DOTALL)
    assert shown_words
    assert shown_words.group(1).splitlines()[-1] == "ValueError: bad"
    assert "line 0" not in shown_words.group(1)


def test_search_can_be_gone_on_with_by_a_link(
    submit: Callable[..., Job],
    person: Client,
    write: Callable[..., None],
    end: Callable[[Job], None],
    workspace: Workspace,
) -> None:
    """Without JavaScript."""
    job = submit()
    write(job.uuid, [*[(0, "o", "x" * 1000)] * 3000, (0, "o", "needle")])
    end(job)

    page = person.get(reverse("jobs:log", args=[workspace.uuid, job.uuid]), {"q": "needle"})
    link_on = re.search(r'class="log-follow" href="([^"]+)"', page.content.decode())
    assert link_on
    page = person.get(link_on.group(1).replace("&amp;", "&"))

    assert shown(page.content.decode()) == ["0: needle"]


def _in_step(ticks: int, ranks: int) -> list[tuple[int | None, str, str]]:
    return [(rank, "o", f"tick {tick:05}") for tick in range(ticks) for rank in range(ranks)]


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_equal_lines_are_folded_across_the_borders_of_pages(
    submit: Callable[..., Job],
    write: Callable[..., None],
    end: Callable[[Job], None],
    ask: Callable[..., str],
    direction: str,
) -> None:
    """Four ranks in step: wherever a page ends, each tick is one line of ranks 0-3."""
    job = submit()
    write(job.uuid, _in_step(3000, 4))
    end(job)

    pages = 1
    if direction == "backward":
        lines = shown(page := ask(job))
        while earlier := link(page, "earlier"):
            lines = shown(page := ask(job, earlier)) + lines
            pages += 1
    else:
        lines = shown(page := ask(job, q="tick"))
        while following := link(page, "next"):
            lines += shown(page := ask(job, following))
            pages += 1

    assert lines == [f"0-3: tick {tick:05}" for tick in range(3000)]
    assert pages > 3


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_ranks_far_from_each_other_lose_no_line_at_a_border(
    submit: Callable[..., Job],
    write: Callable[..., None],
    end: Callable[[Job], None],
    ask: Callable[..., str],
    direction: str,
) -> None:
    """Rank 1 is 40 ticks behind all the time: no page can end between their equal lines."""
    job = submit()
    lines = [
        (rank, "o", f"tick {tick:05}")
        for now in range(4000)
        for rank, tick in ((0, now), (1, now - 40))
        if tick >= 0
    ]
    write(job.uuid, lines)
    end(job)

    found: list[str] = []
    page = ask(job) if direction == "backward" else ask(job, q="tick")
    found += shown(page)
    while more := link(page, "earlier" if direction == "backward" else "next"):
        page = ask(job, more)
        found += shown(page)

    ticks: dict[str, list[str]] = {"0": [], "1": []}
    for line in found:
        ranks, _, text = line.partition(": ")
        for rank in {"0-1": "01"}.get(ranks, ranks):
            ticks[rank].append(text)
    for rank, count in (("0", 4000), ("1", 3960)):
        assert sorted(ticks[rank]) == [f"tick {tick:05}" for tick in range(count)]
