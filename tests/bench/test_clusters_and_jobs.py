"""What the platform adds to the work itself: cluster creation and the first line of a job."""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest

from tests.bench.conftest import Person
from tests.git_server import GitServer
from tests.stack import Stack
from tests.waiting import wait_until

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]

ROUNDS = 5
HELLO = """\
from mpi4py import MPI
print("hello from", MPI.COMM_WORLD.rank, flush=True)
"""
PROBE = """\
import sys, ipyparallel as ipp
client = ipp.Client(sys.argv[1])
client.wait_for_engines(int(sys.argv[2]), timeout=60)
view = client[:]
print(view.apply_sync(lambda: __import__("socket").gethostname()))
"""


def _shell_environment(stack: Stack, cluster: str) -> dict[str, str]:
    """What a person has after the lines of the cluster's page: the same programs by hand."""
    folder = stack.data_dir / "local" / "clusters" / cluster
    runtime = next((stack.data_dir / "local" / "runtimes").iterdir())
    return {
        "PATH": f"{folder}/env/bin:{runtime}/bin:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(stack.data_dir),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "BODO_SPAWN_MODE": "0",
        "MPI4PY_LIBMPI": f"{runtime}/lib/libmpi.so.12",
        "HYDRA_LAUNCHER": "ssh",
        "HYDRA_LAUNCHER_EXEC": str(folder / "launcher"),
        "HYDRA_IFACE": "lo",
        "FI_TCP_IFACE": "lo",
        "UCX_NET_DEVICES": "lo",
    }


def _hostfile(stack: Stack, cluster: str) -> Path:
    (found,) = (stack.data_dir / "local" / "workspaces").glob(f"*/shared/.hostfile-{cluster}")
    return found


def test_submit_to_first_log_line(
    stack: Stack,
    person: Person,
    make_cluster: Callable[[str], tuple[str, float]],
    remove_cluster: Callable[[str], None],
    report: Callable[[str], None],
    tmp_path: Path,
) -> None:
    """Click on CREATE to the first line of a rank, against git and mpiexec typed by hand."""
    cluster, _ = make_cluster("Jobs")
    with GitServer() as git:
        git.commit("hello", {"hello.py": HELLO})
        bare = [
            _by_hand(stack, cluster, git.url("hello"), tmp_path / str(n)) for n in range(ROUNDS)
        ]
        ours = [_by_platform(stack, person, cluster, git.url("hello")) for _ in range(ROUNDS)]
    person.post(
        f"/w/{person.workspace}/clusters/{cluster}/remove/",
        {},
        person.get(f"/w/{person.workspace}/clusters/"),
    )

    middle, by_hand = statistics.median(ours), statistics.median(bare)
    report(
        f"submit to first log line: {middle:.2f} s ({min(ours):.2f} to {max(ours):.2f}), "
        f"by hand {by_hand:.2f} s, {middle - by_hand:+.2f} s (goal: at most +0.50 s), "
        f"ratio {middle / by_hand:.2f}"
    )


def _by_hand(stack: Stack, cluster: str, url: str, folder: Path) -> float:
    environment = _shell_environment(stack, cluster)
    started = time.time()
    subprocess.run(
        ["git", "clone", "-q", "--depth", "1", url, str(folder)], check=True, capture_output=True
    )
    command = [
        "mpiexec",
        "-localhost",
        "127.0.0.1",
        "-n",
        "2",
        "-f",
        str(_hostfile(stack, cluster)),
    ]
    with subprocess.Popen(
        [*command, "python", "hello.py"], cwd=folder, env=environment, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        seconds = time.time() - started
        process.stdout.read()
    assert line.startswith(b"hello from")
    return seconds


def _by_platform(stack: Stack, person: Person, cluster: str, url: str) -> float:
    path = f"/w/{person.workspace}/jobs/create/"
    form = {
        "uuid": (job := str(uuid4())),
        "name": "Hello",
        "command": "hello.py",
        "source_url": url,
        "timeout_minutes": 5,
        "form-TOTAL_FORMS": 0,
        "form-INITIAL_FORMS": 0,
    }
    page = wait_until(lambda: _page_with_cluster(person, path), timeout=30, every=0.05)
    choice = re.search(r'<option value="(\d+)">Jobs<', page)
    assert choice
    clicked = person.post(path, {**form, "cluster": choice.group(1)}, page)
    log = stack.data_dir / "local" / "logs" / f"{job}.log"
    first = wait_until(lambda: _first_rank_line(log), timeout=30, every=0.01)
    wait_until(
        lambda: "FINISHED" in person.get(f"/w/{person.workspace}/jobs/{job}/row/"),
        timeout=30,
        every=0.05,
    )
    return first - clicked


def _page_with_cluster(person: Person, path: str) -> str:
    page = person.get(path)
    return page if ">Jobs<" in page else ""


def _first_rank_line(log: Path) -> float:
    """The time stamp of the first line that a rank wrote."""
    if not log.exists():
        return 0.0
    for line in log.read_text().splitlines():
        at, rank, *_ = line.split("\t")
        if rank.isdigit():
            return float(at)
    return 0.0


def test_cluster_create_to_finished(
    stack: Stack,
    make_cluster: Callable[[str], tuple[str, float]],
    remove_cluster: Callable[[str], None],
    report: Callable[[str], None],
    tmp_path: Path,
) -> None:
    """On a warm runtime, against ipcontroller and the MPI engines started by hand."""
    remove_cluster(make_cluster("Warm up")[0])
    ours, bare = [], []
    for number in range(3):
        cluster, seconds = make_cluster(f"Create {number}")
        ours.append(seconds)
        bare.append(_engines_by_hand(stack, cluster, tmp_path / str(number)))
        remove_cluster(cluster)

    ratio = statistics.median(ours) / statistics.median(bare)
    report(
        f"cluster create to FINISHED: {statistics.median(ours):.2f} s "
        f"({min(ours):.2f} to {max(ours):.2f}), engines by hand {statistics.median(bare):.2f} s "
        f"({min(bare):.2f} to {max(bare):.2f}), ratio {ratio:.2f} (goal: at most 1.5)"
    )


def test_scale_up_and_down(
    stack: Stack,
    person: Person,
    make_cluster: Callable[[str], tuple[str, float]],
    remove_cluster: Callable[[str], None],
    report: Callable[[str], None],
    tmp_path: Path,
) -> None:
    """2 -> 1 -> 2 nodes, SAVE to usable again, against 2 engines started by hand."""
    cluster, _ = make_cluster("Scale")
    down, up = [], []
    for _ in range(2):
        down.append(_scale(person, cluster, 1))
        up.append(_scale(person, cluster, 2))
    bare = [_engines_by_hand(stack, cluster, tmp_path / str(n)) for n in range(2)]
    remove_cluster(cluster)

    report(
        f"scale 1 to 2: {max(up):.2f} s, 2 to 1: {max(down):.2f} s (the slower of two each), "
        f"engines by hand {statistics.median(bare):.2f} s, "
        f"ratio {max(up) / statistics.median(bare):.2f}"
    )


def _scale(person: Person, cluster: str, nodes: int) -> float:
    base = f"/w/{person.workspace}/clusters/{cluster}"
    clicked = person.post(
        f"{base}/edit/", {"name": "Scale", "node_count": nodes, "auto_pause_unit": "never"}
    )
    row = f"{base}/row/"
    wait_until(lambda: ">RUNNING<" in person.get(row), timeout=60, every=0.02)
    assert f">{nodes}<" in person.get(row)
    return time.time() - clicked


def _engines_by_hand(stack: Stack, cluster: str, folder: Path) -> float:
    """A notebook user's own way, with ipyparallel's defaults but for the heartbeat."""
    environment = _shell_environment(stack, cluster)
    profile = f"--profile-dir={folder}"
    started = time.time()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": environment}
    controller = subprocess.Popen(
        ["python", "-m", "ipyparallel.controller", profile, "--ip=127.0.0.1",
         "--HeartMonitor.period=500"],
        **quiet,
    )  # fmt: skip
    engine_file = folder / "security" / "ipcontroller-engine.json"
    client_file = folder / "security" / "ipcontroller-client.json"
    wait_until(lambda: _is_json(engine_file) and _is_json(client_file), timeout=30, every=0.02)
    engines = subprocess.Popen(
        ["mpiexec", "-localhost", "127.0.0.1", "-n", "2", "-f", str(_hostfile(stack, cluster)),
         "python", "-m", "ipyparallel.engine", "--mpi", f"--file={engine_file}", profile],
        **quiet,
    )  # fmt: skip
    subprocess.run(
        ["python", "-c", PROBE, str(client_file), "2"],
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    seconds = time.time() - started
    for process in (engines, controller):
        process.terminate()
        process.wait(20)
    return seconds


def _is_json(path: Path) -> bool:
    try:
        return bool(json.loads(path.read_text()))
    except (OSError, ValueError):
        return False


SUBMITS = 200
HANDS = 8


def test_many_submits_at_once(stack: Stack, person: Person, report: Callable[[str], None]) -> None:
    """200 workspaces asked for by 8 hands: all are deployed, and how long each had to wait."""
    path = f"/o/{stack.demo()['organization']}/workspaces/create/"
    page = person.get(path)
    cloud = re.search(r'<option value="(\d+)"[^>]*>[^<]*Local', page)
    assert cloud
    started = time.time()

    def submit(number: int) -> None:
        form = {"uuid": str(uuid4()), "name": f"Many {number}", "region": "local"}
        person.post(path, {**form, "cloud_configuration": cloud.group(1)}, page)

    with ThreadPoolExecutor(HANDS) as hands:
        list(hands.map(submit, range(SUBMITS)))
    accepted = time.time() - started
    delays = wait_until(lambda: _finished(stack), timeout=120, every=0.5)
    report(
        f"{SUBMITS} submits at once: accepted in {accepted:.1f} s ({SUBMITS / accepted:.0f} a "
        f"second), none lost; submit to FINISHED median {statistics.median(delays):.2f} s, "
        f"longest {max(delays):.2f} s"
    )


def _finished(stack: Stack) -> list[float]:
    """Seconds from submit to the end of each operation; empty until all have ended well."""
    script = (
        "from workspaces.models import Operation as O, Workspace as W; "
        "u=W.objects.filter(name__startswith='Many ').values('uuid'); "
        "print([(o.finished_at-o.created_at).total_seconds() "
        "for o in O.objects.filter(target_uuid__in=u, status='FINISHED')])"
    )
    delays: list[float] = json.loads(stack.manage("shell", "-v", "0", "-c", script))
    return delays if len(delays) == SUBMITS else []


def test_idle_stack(stack: Stack, report: Callable[[str], None]) -> None:
    """The whole stack with nothing to do, over half a minute."""
    seconds = float(os.environ.get("BODO_BENCH_IDLE_SECONDS", "30"))
    before = {p.pid: sum(p.cpu_times()[:2]) for p in stack.all_processes()}
    started = time.time()
    wait_until(lambda: time.time() - started >= seconds, timeout=seconds + 10, every=0.5)
    after = {
        p.pid: (sum(p.cpu_times()[:2]), p.memory_full_info().pss) for p in stack.all_processes()
    }

    assert set(before) == set(after), "a process of the stack was restarted while idle"
    used = sum(after[pid][0] - before[pid] for pid in before)
    memory = sum(pss for _, pss in after.values()) / 1024**2
    share = 100 * used / (time.time() - started)
    report(
        f"idle stack: {share:.2f} % of one core (goal: below 3 %), "
        f"{memory:.0f} MiB in {len(after)} processes"
    )
