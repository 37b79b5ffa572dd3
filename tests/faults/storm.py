"""Several users at work while processes of every kind are killed, all drawn from one seed.

Each move is printed with its time, so the draws of a failed run are those of its seed again; what
they meet also hangs on the machine's pace. The pauses between two moves are the workload itself:
nothing is waited for by them.
"""

from __future__ import annotations

import http.client
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID

import psutil

from clusters.models import Cluster
from jobs.models import Job
from tests.faults.invariants import SHIM, command_line
from tests.faults.person import NOBODY_LISTENS, Answer, Person
from tests.faults.scene import DATABASE, MANY_TICKS, TICKS, Scene
from tests.waiting import wait_until
from workspaces.clouds.local import processes
from workspaces.models import Notebook, Workspace
from workspaces.models.notebooks import NOTEBOOK_VERBS

T = TypeVar("T")
State = Cluster.State
LIVING_CLUSTERS = 6
LIVING_NOTEBOOKS = 3
REMOVED_ANYWHERE = 4  # each fourth cluster may be removed in whatever state
OWNER = 0  # of the organization, among the people
INSTALL_SECONDS = 400  # of JupyterLab
PATIENCE_SECONDS = 60  # of a user whose page does not answer
PAUSE_SECONDS = (0.8, 3.4)
PLATFORM = (
    "worker",
    "controller",
    "web",
    "web_worker",
    "notebooks",
    "watchdog",
    "monitor",
    "sentinel",
)
PARTS = {
    "engine": r"\S+ -m ipyparallel.engine ",
    "cluster controller": r"\S+ -m ipyparallel.controller ",
    "rank": r"\S*python\S* ex.py ",
    "mpiexec": r"\S+/mpiexec\S* ",
    "node": r"\S*hydra_pmi_proxy ",
    "notebook server": r"\S+ -m jupyterlab",
}
# How often each is drawn; with more blows at clusters none would live to run a job.
VICTIMS = {
    **dict.fromkeys(PLATFORM, 1.0),
    **dict.fromkeys(PARTS, 0.25),
    "worker": 2.0,
    "rank": 1.5,
    "mpiexec": 0.5,
    "shim of a cluster": 0.3,
    "shim of a job": 0.8,
    "shim of a notebook": 0.3,
}
LIFE = ("pause", "resume", "stop", "start", "restart", "scale")
NOTEBOOK_LIFE = tuple(f"{verb} notebook" for verb in NOTEBOOK_VERBS)
# How often each is drawn of those that can be done now.
ACTIONS = {
    **dict.fromkeys(LIFE, 5.0),
    "create": 3.0,
    "retry": 6.0,
    "run": 6.0,
    "run later": 1.5,
    "run on its own": 1.0,
    "cancel": 0.5,
    "remove": 0.7,
    "pause, scale, remove at once": 0.7,
    "upload": 1.5,
    "create workspace": 0.7,
    "remove workspace": 0.7,
    "create notebook": 1.0,
    **dict.fromkeys(NOTEBOOK_LIFE, 1.0),
    "remove notebook": 0.3,
}
TARGETLESS = frozenset(
    {"create", "run on its own", "upload", "create workspace", "create notebook"}
)
UPLOAD_BYTES = 300_000


@dataclass
class Storm:
    scene: Scene
    people: list[Person]
    began: float = field(default_factory=time.monotonic)
    kills: Counter[str] = field(default_factory=Counter)
    actions: Counter[str] = field(default_factory=Counter)
    answers: Counter[int] = field(default_factory=Counter)
    accepted: dict[UUID, int] = field(default_factory=dict)  # jobs: how often they tick
    made: set[UUID] = field(default_factory=set)  # clusters
    files: dict[str, bytes] = field(default_factory=dict)
    workspaces: set[UUID] = field(default_factory=set)
    removed: set[UUID] = field(default_factory=set)  # workspaces, asked for
    notebooks: dict[UUID, int] = field(default_factory=dict)  # whose, among the people
    _tally: threading.Lock = field(default_factory=threading.Lock)

    def gather(self, clusters: int) -> None:
        """Something to hit at from the first moment on."""
        self._create_notebook(OWNER, "Before")
        for number in range(clusters):
            self._create(self.people[number], f"Before {number}", nodes=2)
        for uuid in self.made:
            self.scene.wait_for_cluster(uuid, State.RUNNING)
        for uuid in self.notebooks:
            self.scene.wait_for_notebook(uuid, State.RUNNING, timeout=INSTALL_SECONDS)

    def rage(self, kills: int) -> None:
        dice = self.scene.dice
        busy: dict[int, Future[object]] = {}
        with ThreadPoolExecutor(len(self.people) * 3) as hands:
            while self.kills.total() < kills:
                for who in range(len(self.people)):
                    is_free = who not in busy or _is_done(busy[who])
                    drawn = {a: dice.random() ** (1 / weight) for a, weight in ACTIONS.items()}
                    order = sorted(drawn, key=lambda action: -drawn[action]) if is_free else []
                    act = next(filter(None, (self._drawn(action, who) for action in order)), None)
                    if act:
                        busy[who] = hands.submit(act)
                threading.Event().wait(dice.uniform(*PAUSE_SECONDS))
                self._kill_one()
            for future in busy.values():
                future.result()

    def say(self, *words: object) -> None:
        print(f"{time.monotonic() - self.began:7.2f}", *words, flush=True)  # noqa: T201 - to replay

    # What users do ----------------------------------------------------------------------------

    def _drawn(self, action: str, who: int) -> Callable[[], object] | None:
        """What ``who`` will do; None when there is nothing to do it to. Rows are read here."""
        target = None if action in TARGETLESS else self._target(action, who)
        is_crowded = _is_crowded(action)
        is_forbidden = "workspace" in action and who != OWNER
        if is_crowded or is_forbidden or (target is None and action not in TARGETLESS):
            return None
        nodes, ticks = self.scene.dice.choice((1, 2)), self.scene.dice.choice((TICKS, MANY_TICKS))
        if isinstance(target, Cluster) and "scale" in action:
            nodes = 3 - target.node_count
        number, person = self.actions.total(), self.people[who]
        self.actions[action] += 1
        self.say(f"user {who}:", action, getattr(target, "uuid", ""), f"{nodes=} {ticks=}")
        if action.startswith("run"):
            extras = self._extras(action)
            pk = target.pk if target else None
            return lambda: self._run(person, f"Storm {number}", pk, ticks, extras)
        if target is not None:
            return self._pressed(action, person, target.uuid, nodes)
        acts = {
            "create": lambda: self._create(person, f"Storm {number}", nodes),
            "upload": lambda: self._upload(person, number),
            "create workspace": lambda: self._create_workspace(person, f"Storm {number}"),
            "create notebook": lambda: self._create_notebook(who, f"Storm {number}"),
        }
        return acts[action]

    def _extras(self, action: str) -> dict[str, str]:
        """Fields of the job's form; each second one is tried again when it fails."""
        retries = {"retries": str(self.scene.dice.choice((0, 1))), "retry_delay_minutes": "0"}
        if action != "run later":
            return retries
        at = datetime.now(UTC) + timedelta(seconds=self.scene.dice.uniform(5, 30))
        return retries | {"schedule_kind": "AT", "scheduled_on": f"{at:%Y-%m-%dT%H:%M:%S}"}

    def _target(self, action: str, who: int) -> Cluster | Job | Workspace | Notebook | None:
        some: list[Cluster | Job | Workspace | Notebook] = []
        if action == "cancel":
            some.extend(Job.objects.using(DATABASE).unsettled().order_by("pk"))
        elif action == "remove workspace":
            left = self.workspaces - self.removed
            some.extend(Workspace.objects.using(DATABASE).filter(uuid__in=left).order_by("pk"))
        elif action.endswith(" notebook"):
            mine = [uuid for uuid, owner in list(self.notebooks.items()) if owner == who]
            rows = Notebook.objects.using(DATABASE).filter(uuid__in=mine).order_by("pk")
            verb = action.partition(" ")[0]
            some.extend(row for row in rows if verb in (*row.verbs, _removal_of(row)))
        else:
            living = Cluster.objects.using(DATABASE).live().filter(removal_requested_at=None)
            own = living.filter(is_dedicated=False).order_by("pk")
            some.extend(cluster for cluster in own if _fits(action, cluster))
        return self.scene.dice.choice(some) if some else None

    def _pressed(
        self, action: str, person: Person, target: UUID, nodes: int
    ) -> Callable[[], object]:
        if action == "pause, scale, remove at once":
            return lambda: self._clash(target, nodes)
        if action == "scale":
            return lambda: self._count(lambda: person.scale(target, nodes))
        if action == "remove workspace":
            self.removed.add(target)
            return lambda: self._count(lambda: person.remove_workspace(target))
        if action.endswith(" notebook"):
            verb = action.partition(" ")[0]
            return lambda: self._count(lambda: person.press("notebooks", target, verb))
        noun = "jobs" if action == "cancel" else "clusters"
        return lambda: self._count(lambda: person.press(noun, target, action))

    def _create(self, person: Person, name: str, nodes: int) -> None:
        form = self._insist(lambda: person.cluster_form(name, nodes))
        if self._count(lambda: person.submit("clusters", form)).is_accepted:
            self.made.add(UUID(form["uuid"]))

    def _run(
        self,
        person: Person,
        name: str,
        cluster_pk: int | None,
        ticks: int,
        extras: dict[str, str],
    ) -> None:
        command = f"ex.py {ticks}"
        form = self._insist(lambda: person.job_form(name, self.scene.source, command, cluster_pk))
        if self._count(lambda: person.submit("jobs", form | extras)).is_accepted:
            self.accepted[UUID(form["uuid"])] = ticks

    def _upload(self, person: Person, number: int) -> None:
        name, content = f"storm-{number}.txt", f"{number}\n".encode() * (UPLOAD_BYTES // 3)
        if self._count(lambda: person.upload("", {name: content}, replace=True)).is_accepted:
            self.files[name] = content

    def _create_workspace(self, person: Person, name: str) -> None:
        organization = self.scene.stack.demo()["organization"]
        form = self._insist(lambda: person.workspace_form(organization, name))
        if self._count(lambda: person.create_workspace(organization, form)).is_accepted:
            self.workspaces.add(UUID(form["uuid"]))

    def _create_notebook(self, who: int, name: str) -> None:
        person = self.people[who]
        form = self._insist(lambda: person.notebook_form(name))
        if self._count(lambda: person.submit("notebooks", form)).is_accepted:
            self.notebooks[UUID(form["uuid"])] = who

    def _clash(self, cluster: UUID, nodes: int) -> None:
        one, two, three = self.people
        ready = threading.Barrier(3)

        def at_once(act: Callable[[], Answer]) -> None:
            ready.wait()
            self._count(act)

        with ThreadPoolExecutor(3) as hands:
            acts = [
                hands.submit(at_once, lambda: one.press("clusters", cluster, "pause")),
                hands.submit(at_once, lambda: two.scale(cluster, nodes)),
                hands.submit(at_once, lambda: three.press("clusters", cluster, "remove")),
            ]
        for act in acts:
            act.result()

    def _count(self, act: Callable[[], Answer]) -> Answer:
        answer = self._insist(act)
        with self._tally:
            self.answers[answer.status] += 1
        if answer.status not in {http.client.FOUND, http.client.UNPROCESSABLE_ENTITY}:
            self.say("answered", answer.status, answer.text[:300])
        return answer

    def _insist(self, act: Callable[[], T]) -> T:
        """As a user does: again, with the very same form, until somebody answers."""

        def attempt() -> T | None:
            with suppress(*NOBODY_LISTENS):
                return act()
            return None

        answer = wait_until(attempt, timeout=PATIENCE_SECONDS, every=0.2)
        assert answer is not None
        return answer

    # Blows ------------------------------------------------------------------------------------

    def _kill_one(self) -> None:
        """The drawn victim, or the next kind of which one lives now."""
        drawn = {k: self.scene.dice.random() ** (1 / weight) for k, weight in VICTIMS.items()}
        order = sorted(drawn, key=lambda kind: -drawn[kind])
        parts = self.parts()
        for kind in order:
            told = self._kill_role(kind) if kind in PLATFORM else self._kill_part(parts, kind)
            if told:
                self.kills[kind] += 1
                self.say(f"kill {self.kills.total()}:", kind, told)
                return

    def _kill_role(self, role: str) -> str:
        with suppress(psutil.NoSuchProcess):
            found = self.scene.stack.processes().get(role, [])
            if found:
                victim = self.scene.dice.choice(found)
                victim.kill()
                return f"pid {victim.pid}"
        return ""

    def _kill_part(self, parts: dict[str, list[processes.Process]], kind: str) -> str:
        found = parts.get(kind, [])
        if not found:
            return ""
        victim = self.scene.dice.choice(found)
        of = _marker(victim, "BODO_RUN")
        return f"pid {victim.pid} of {of}" if processes.send(victim, signal.SIGKILL) else ""

    def parts(self) -> dict[str, list[processes.Process]]:
        """Of clusters, jobs and notebooks, by kind; installations are left alone."""
        local = self.scene.stack.data_dir / "local"
        found: dict[str, list[processes.Process]] = {}
        for process in processes.marked("BODO_STATE", str(local)):
            if not (run := _marker(process, "BODO_RUN")).startswith("runtime-"):
                kind = _kind(command_line(process.pid), run)
                found.setdefault(kind, []).append(process)
        return {kind: sorted(some, key=lambda p: p.pid) for kind, some in found.items()}


def _is_done(future: Future[object]) -> bool:
    """Raises what the hand ran into."""
    if future.done():
        future.result()
    return future.done()


def _is_crowded(action: str) -> bool:
    if action == "create notebook":
        return Notebook.objects.using(DATABASE).live().count() >= LIVING_NOTEBOOKS
    living = Cluster.objects.using(DATABASE).live().filter(removal_requested_at=None)
    return action in {"create", "run on its own"} and living.count() >= LIVING_CLUSTERS


def _removal_of(notebook: Notebook) -> str:
    return "" if notebook.removal_requested_at else "remove"


def _fits(action: str, cluster: Cluster) -> bool:
    """Worth a try; by the time it arrives the cluster may be in another state."""
    verb = "scale" if "scale" in action else action
    if verb == "retry":
        return cluster.state == State.FAILED
    if verb.startswith("run"):
        return cluster.state == State.RUNNING
    if verb == "remove":  # of those that are on their way some are left to arrive
        return cluster.pk % REMOVED_ANYWHERE == 0 or not cluster.is_unsettled
    return verb in cluster.verbs


def _kind(words: str, run: str) -> str:
    if SHIM in words:
        of = {"engines": "cluster", "notebook": "notebook"}.get(run.partition("-")[0], "job")
        return f"shim of a {of}"
    for kind, pattern in PARTS.items():
        if re.match(pattern, words):
            return kind
    return "other"


def _marker(process: processes.Process, name: str) -> str:
    for pair in processes.environment(process.pid):
        key, _, value = pair.decode(errors="replace").partition("=")
        if key == name:
            return value
    return ""
