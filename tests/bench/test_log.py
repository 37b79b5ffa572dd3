"""A million lines of 4 ranks: what keeping and reading them costs."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from uuid import uuid4

import psutil
import pytest

from tests.bench.conftest import Person
from tests.git_server import GitServer
from tests.stack import Stack
from tests.waiting import wait_until

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]

RANKS, LINES = 4, 250_000
REQUEST_BYTES = 200_000
CHATTER = f"""\
from mpi4py import MPI
rank = MPI.COMM_WORLD.rank
for number in range({LINES}):
    print("rank", rank, "wrote line", number, "of {LINES}", flush=number % 100 == 99)
"""


def test_a_million_lines(stack: Stack, person: Person, report: Callable[[str], None]) -> None:
    """Fails when a line is lost or an answer is too large, never because it was slow."""
    with GitServer() as git:
        git.commit("chatter", {"chatter.py": CHATTER})
        job = _submit(person, git.url("chatter"))
        log = stack.data_dir / "local" / "logs" / f"{job}.log"
        wait_until(lambda: log.exists() and log.stat().st_size > 10_000, timeout=300, every=0.05)
        shim = _shim(job)
        before, started, cpu = _memory(stack, shim), time.time(), sum(shim.cpu_times()[:2])
        followed = _follow(person, job, shim)
        seconds = time.time() - started
        after = _memory(stack, shim)
    report(
        f"million lines: {RANKS * LINES / seconds:,.0f} lines/s kept while a reader follows, "
        f"shim {100 * (followed['cpu'] - cpu) / seconds:.0f} % of a core, log "
        f"{log.stat().st_size / 2**20:.0f} MiB"
    )
    report(
        f"following: {followed['requests']} answers, largest {followed['largest'] / 1000:.0f} kB, "
        f"slowest {followed['slowest'] * 1000:.0f} ms"
    )
    after["shim"] = followed["shim"]
    report(f"memory in MiB before and after, of the shim the most: {_pairs(before, after)}")
    began = time.time()
    text = person.get(f"/w/{person.workspace}/jobs/{job}/log/download/")
    took = time.time() - began
    lines = re.findall(r"^(\d): rank \1 wrote line (\d+) of", text, re.MULTILINE)
    report(
        f"download: {len(text) / 2**20:.0f} MiB in {took:.1f} s; "
        f"memory after it: {_pairs(before, _memory(stack, None))}"
    )
    for rank in range(RANKS):
        own = [int(number) for found, number in lines if found == str(rank)]
        assert own == list(range(LINES))


def _submit(person: Person, url: str) -> str:
    path = f"/w/{person.workspace}/jobs/create/"
    page = person.get(path)
    version = re.search(r'<option value="(20\d\d\.[\d.]+)"', page)
    assert version, "no Bodo version is offered"
    job = str(uuid4())
    form = {
        "uuid": job,
        "name": "Chatter",
        "is_new_cluster": "on",
        "instance_type": "local.1core",
        "node_count": RANKS,
        "bodo_version": version.group(1),
        "command": "chatter.py",
        "source_url": url,
        "timeout_minutes": 30,
        "form-TOTAL_FORMS": 0,
        "form-INITIAL_FORMS": 0,
    }
    person.post(path, form, page)
    return job


def _shim(job: str) -> psutil.Process:
    return next(p for p in psutil.process_iter() if any(job in w for w in _words(p)[-1:]))


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _follow(person: Person, job: str, shim: psutil.Process) -> dict[str, float]:
    """As the page does, twice a second, until the job has ended."""
    address = f"/w/{person.workspace}/jobs/{job}/log/"
    found = {"requests": 0, "largest": 0, "slowest": 0.0, "cpu": 0.0, "shim": 0.0}
    while True:
        began = time.time()
        page = person.get(address)
        found["slowest"] = max(found["slowest"], time.time() - began)
        found["largest"] = max(found["largest"], len(page.encode()))
        found["requests"] += 1
        assert len(page.encode()) < REQUEST_BYTES
        try:
            found["cpu"] = sum(shim.cpu_times()[:2])
            found["shim"] = max(found["shim"], shim.memory_info().rss / 2**20)
        except psutil.NoSuchProcess:
            return found
        following = re.search(r'class="log-follow" href="([^"]+)"', page)
        if following:
            address = following.group(1).replace("&amp;", "&")
        time.sleep(0.5)  # the reader's interval, not a wait for something else


def _memory(stack: Stack, shim: psutil.Process | None) -> dict[str, float]:
    groups = {role: stack.processes().get(role, []) for role in ("web", "web_worker", "worker")}
    if shim is not None and shim.is_running():
        groups["shim"] = [shim]
    return {
        role: sum(p.memory_info().rss for p in family) / 2**20 for role, family in groups.items()
    }


def _pairs(before: dict[str, float], after: dict[str, float]) -> str:
    return ", ".join(
        f"{role} {before.get(role, 0):.0f} to {after[role]:.0f}" for role in after if after[role]
    )
