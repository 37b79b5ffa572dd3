"""The steps of notebook servers, on a cloud in memory: each phase, each failure, each verb."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from accounts.models import User
from tests.fake_cloud import FakeCloud
from workspaces import services
from workspaces.clouds.base import CloudError, Progress
from workspaces.clouds.servers import NotebookPhase, NotebookSpec
from workspaces.models import (
    Notebook,
    NotebookAccess,
    Operation,
    OperationEvent,
    Workspace,
)
from workspaces.models.notebooks import NOTEBOOK_VERBS
from workspaces.operations import Actor, OperationConflict
from workspaces.operations.ledger import Superseded
from workspaces.operations.runner import claim, run_step
from workspaces.tasks import check_notebooks

Make = Callable[..., Notebook]
Run = Callable[..., int]
FEW_STEPS = 3


class Probe:
    """What the readiness probe says, one look after the other, and then that all is well."""

    def __init__(self) -> None:
        self.says: list[str] = []
        self.asked: list[tuple[str, str]] = []

    def __call__(self, address: str, token: str) -> str:
        self.asked.append((address, token))
        return self.says.pop(0) if self.says else ""


@pytest.fixture(autouse=True)
def probe(monkeypatch: pytest.MonkeyPatch) -> Probe:
    made = Probe()
    monkeypatch.setattr("workspaces.notebook_operations.probe", made)
    return made


@pytest.fixture
def ada(workspace: Workspace, member: Callable[..., User]) -> User:
    return member("MEMBER", workspace)


@pytest.fixture
def new(workspace: Workspace, ada: User) -> Notebook:
    made = services.notebook_ensure_default(workspace=workspace, user=ada)
    assert made is not None
    return made


@pytest.fixture
def running(ada: User, notebook: Make, cloud: FakeCloud) -> Notebook:
    made = notebook(ada, state="RUNNING", ready_at=timezone.now(), address=cloud.notebook_address)
    cloud.notebooks.add(made.uuid)
    return made


def _state(notebook: Notebook) -> str:
    notebook.refresh_from_db()
    return notebook.state


def _act(notebook: Notebook, verb: str) -> Operation:
    notebook.refresh_from_db()
    return services.notebook_act(notebook=notebook, verb=verb, actor=Actor())


def _states_of(new: Notebook, run_operations: Run) -> Iterator[str]:
    yield _state(new)
    while run_operations(steps=1):
        yield _state(new)


# Coming up --------------------------------------------------------------------------------------


def test_creation_goes_through_its_phases_to_ready(
    new: Notebook, cloud: FakeCloud, probe: Probe, run_operations: Run
) -> None:
    """F037, F038, V12."""
    cloud.notebook_phases = [NotebookPhase.RUNTIME, NotebookPhase.NODE, NotebookPhase.UP]
    probe.says = ["It does not answer yet."]

    states = list(_states_of(new, run_operations))

    assert states == ["NEW", "INPROGRESS", "INPROGRESS", "READINESSPROBE", "RUNNING"]
    phases = OperationEvent.objects.values_list("phase", flat=True)
    assert list(dict.fromkeys(phases)) == ["runtime", "node", "READINESSPROBE"]
    assert Operation.objects.get().status == "FINISHED"
    assert new.status == "FINISHED"
    assert new.ready_at == new.last_activity_at is not None


def test_it_may_be_opened_only_after_the_probe(
    new: Notebook, probe: Probe, run_operations: Run
) -> None:
    """F039."""
    probe.says = ["Connection refused."]

    run_operations(steps=1)
    during = new.__class__.objects.get(pk=new.pk)
    run_operations()

    assert (during.is_open, during.address) == (False, "http://127.0.0.1:9")
    assert Notebook.objects.get(pk=new.pk).is_open


def test_the_probe_shows_the_servers_own_token(
    ada: User, notebook: Make, probe: Probe, run_operations: Run
) -> None:
    made = notebook(ada, state="PAUSED")

    _act(made, "resume")
    run_operations()

    assert probe.asked == [("http://127.0.0.1:9", "token of Lab")]


def test_the_token_is_in_no_event(
    ada: User, notebook: Make, probe: Probe, run_operations: Run
) -> None:
    made = notebook(ada, state="PAUSED")
    probe.says = ["It does not answer yet."]

    _act(made, "resume")
    run_operations()

    told = f"{list(OperationEvent.objects.values())}{list(Operation.objects.values())}"
    assert "token of" not in told


def test_a_probe_that_never_succeeds_says_what_it_heard_last(
    new: Notebook, cloud: FakeCloud, probe: Probe, run_operations: Run
) -> None:
    """F038: timeout gives a reason."""
    probe.says = ["It does not answer yet.", "It answered 503."]
    run_operations(steps=1)
    long_ago = timezone.now() - timedelta(minutes=10)
    Operation.objects.update(phase_started_at=long_ago)

    run_operations()

    assert _state(new) == "FAILED"
    assert "It took longer than 2 minutes" in new.state_reason
    assert "Readiness probe: It answered 503." in new.state_reason
    assert cloud.notebooks == set()
    assert new.address == ""


@pytest.mark.parametrize("phase", ["runtime", "node"])
def test_a_phase_that_takes_too_long_leaves_nothing(
    new: Notebook, cloud: FakeCloud, run_operations: Run, phase: str
) -> None:
    cloud.notebook_phases = [NotebookPhase(phase)] * 2
    run_operations(steps=1)
    Operation.objects.update(phase_started_at=timezone.now() - timedelta(hours=2))

    run_operations()

    assert _state(new) == "FAILED"
    assert f"Now {phase}" in new.state_reason
    assert cloud.notebooks == set()


def test_a_server_that_ends_at_its_start_is_told_and_taken_away(
    new: Notebook, cloud: FakeCloud, run_operations: Run
) -> None:
    cloud.notebook_phases = [NotebookPhase.NODE, NotebookPhase.FAILED]

    run_operations()

    assert (_state(new), new.state_reason) == ("FAILED", "The server ended.")
    assert cloud.notebooks == set()
    assert new.verbs == ["start", "reset"]


def test_a_server_that_dies_while_it_is_probed_is_told(
    new: Notebook, cloud: FakeCloud, probe: Probe, run_operations: Run
) -> None:
    cloud.notebook_phases = [NotebookPhase.UP, NotebookPhase.FAILED]
    probe.says = ["It does not answer yet."]

    run_operations()

    assert (_state(new), new.state_reason) == ("FAILED", "The server ended.")


def test_a_refusing_provider_is_told(new: Notebook, cloud: FakeCloud, run_operations: Run) -> None:
    cloud.error = CloudError("Capacity", "No machine is free.")

    run_operations(steps=1)
    cloud.error = None
    run_operations()

    assert (_state(new), new.state_reason) == ("FAILED", "No machine is free.")


def test_a_hiccup_of_the_provider_is_tried_again(
    new: Notebook, cloud: FakeCloud, run_operations: Run
) -> None:
    cloud.error = CloudError("Busy", "Too many requests.", retryable=True)

    run_operations(steps=1)
    cloud.error = None
    run_operations()

    assert _state(new) == "RUNNING"


def test_a_token_that_no_key_opens_asks_for_a_reset(
    ada: User, notebook: Make, run_operations: Run
) -> None:
    made = notebook(ada, state="PAUSED")
    Notebook.objects.update(sealed_token="00000000:AAAA")

    _act(made, "resume")
    run_operations()
    reason = _state(made), made.state_reason
    _act(made, "reset")
    run_operations()

    assert reason[0] == "PAUSED"
    assert "Reset this notebook" in reason[1]
    assert _state(made) == "RUNNING"


# Verbs ------------------------------------------------------------------------------------------


def test_pause_ends_the_server_and_resume_starts_it(
    running: Notebook, cloud: FakeCloud, run_operations: Run
) -> None:
    _act(running, "pause")
    run_operations()
    paused = (_state(running), running.address, set(cloud.notebooks))
    _act(running, "resume")
    run_operations()

    assert paused == ("PAUSED", "", set())
    assert _state(running) == "RUNNING"
    assert running.address == cloud.notebook_address
    assert cloud.notebooks == {running.uuid}


def test_failed_resume_is_paused_again_with_the_reason(
    ada: User, notebook: Make, cloud: FakeCloud, run_operations: Run
) -> None:
    made = notebook(ada, state="PAUSED")
    cloud.notebook_phases = [NotebookPhase.FAILED]

    _act(made, "resume")
    run_operations()

    assert (_state(made), made.state_reason) == ("PAUSED", "The server ended.")
    assert cloud.notebooks == set()


class Journal(FakeCloud):
    """Which of the driver's methods were called, one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def ensure_notebook(self, spec: NotebookSpec, ledger: object) -> object:  # type: ignore[override]
        self.calls.append(f"ensure {spec.token}")
        return super().ensure_notebook(spec, ledger)  # type: ignore[arg-type]

    def stop_notebook(self, spec: NotebookSpec) -> Progress:
        self.calls.append("stop")
        return super().stop_notebook(spec)

    def remove_notebook(self, spec: NotebookSpec, ledger: object) -> Progress:  # type: ignore[override]
        self.calls.append("remove")
        return super().remove_notebook(spec, ledger)  # type: ignore[arg-type]


@pytest.fixture
def journal(cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch) -> Journal:
    made = Journal()
    monkeypatch.setattr("workspaces.services.clouds.cloud_for", lambda provider, settings: made)
    return made


@pytest.mark.parametrize(
    ("state", "verb", "calls"),
    [
        ("PAUSED", "resume", ["ensure"]),
        ("FAILED", "start", ["stop", "ensure"]),
        ("RUNNING", "restart", ["stop", "ensure"]),
        ("RUNNING", "reset", ["remove", "ensure"]),
        ("PAUSED", "reset", ["remove", "ensure"]),
        ("FAILED", "reset", ["remove", "ensure"]),
        ("RUNNING", "pause", ["stop"]),
    ],
)
def test_what_each_verb_asks_of_the_provider(
    ada: User,
    notebook: Make,
    journal: Journal,
    run_operations: Run,
    state: str,
    verb: str,
    calls: list[str],
) -> None:
    """Only a reset takes the server's own folder away."""
    made = notebook(ada, state=state)

    _act(made, verb)
    run_operations()

    assert [call.partition(" ")[0] for call in journal.calls] == calls
    assert _state(made) == ("PAUSED" if verb == "pause" else "RUNNING")


def test_what_ended_is_not_ended_again(
    running: Notebook, journal: Journal, probe: Probe, run_operations: Run
) -> None:
    """A restart that stopped what it had just started would never be done."""
    journal.notebook_phases = [NotebookPhase.RUNTIME, NotebookPhase.NODE, NotebookPhase.UP]
    probe.says = ["Not yet.", "Not yet."]

    _act(running, "restart")
    run_operations()

    assert journal.calls.count("stop") == 1
    assert _state(running) == "RUNNING"


def test_reset_starts_with_the_new_token(
    ada: User, notebook: Make, journal: Journal, run_operations: Run
) -> None:
    made = notebook(ada, state="RUNNING")

    _act(made, "reset")
    run_operations()

    assert journal.calls[-1].startswith("ensure ")
    assert "token of" not in journal.calls[-1]


def test_an_end_that_takes_its_time_is_waited_for(
    running: Notebook, cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch, run_operations: Run
) -> None:
    slow = iter([Progress(False, 50, "1 kernel is left"), Progress(True, 100, "Stopped")])
    monkeypatch.setattr(cloud, "stop_notebook", lambda spec: next(slow))

    _act(running, "restart")
    run_operations()

    assert _state(running) == "RUNNING"
    assert "1 kernel is left" in OperationEvent.objects.values_list("message", flat=True)


@pytest.mark.parametrize("verb", ["start", "restart", "reset"])
def test_what_does_not_come_up_again_is_failed_and_ended(
    ada: User, notebook: Make, cloud: FakeCloud, run_operations: Run, verb: str
) -> None:
    made = notebook(ada, state="FAILED" if verb == "start" else "RUNNING")
    cloud.notebooks.add(made.uuid)
    cloud.notebook_phases = [NotebookPhase.FAILED]

    _act(made, verb)
    run_operations()

    assert (_state(made), made.state_reason) == ("FAILED", "The server ended.")
    assert cloud.notebooks == set()


# Overtaking, two workers, crashes ---------------------------------------------------------------


@pytest.mark.parametrize("verb", ["pause", "restart", "reset"])
@pytest.mark.parametrize("steps", range(FEW_STEPS))
def test_removal_overtakes_every_verb(
    running: Notebook, cloud: FakeCloud, run_operations: Run, verb: str, steps: int
) -> None:
    cloud.notebook_phases = [NotebookPhase.NODE] * 5
    _act(running, verb)
    run_operations(steps=steps)

    services.notebook_remove(notebook=running, actor=Actor())
    run_operations()

    assert _state(running) == "TERMINATED"
    assert cloud.notebooks == set()


@pytest.mark.parametrize("steps", range(FEW_STEPS))
def test_removal_overtakes_a_creation(
    new: Notebook, cloud: FakeCloud, probe: Probe, run_operations: Run, steps: int
) -> None:
    probe.says = ["Not yet."] * FEW_STEPS
    run_operations(steps=steps)

    services.notebook_remove(notebook=new, actor=Actor())
    run_operations()

    assert _state(new) == "TERMINATED"
    assert cloud.notebooks == set()


def test_a_pause_for_lack_of_right_overtakes_a_start(
    new: Notebook, cloud: FakeCloud, probe: Probe, run_operations: Run
) -> None:
    probe.says = ["Not yet."]
    run_operations(steps=1)

    services.notebook_suspend(notebook=new, actor=Actor(), reason="Gone.")
    run_operations()

    assert _state(new) == "PAUSED"
    assert Operation.objects.get(kind="notebook.create").status == "CANCELLED"
    assert cloud.notebooks == set()


def test_a_step_that_was_overtaken_does_not_bring_it_back(
    new: Notebook, cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch, run_operations: Run
) -> None:
    """The removal comes while a worker is in the middle of the start."""

    def removed_meanwhile(address: str, token: str) -> str:
        services.notebook_remove(notebook=new, actor=Actor())
        return ""

    monkeypatch.setattr("workspaces.notebook_operations.probe", removed_meanwhile)

    run_operations(steps=1)
    during = _state(new)
    run_operations()

    assert during == "TERMINATING"
    assert _state(new) == "TERMINATED"
    assert cloud.notebooks == set()


def test_of_two_workers_one_takes_the_step(new: Notebook, run_operations: Run) -> None:
    operation = Operation.objects.get()
    first = claim(operation.pk, now=timezone.now())

    second = claim(operation.pk, now=timezone.now())

    assert first is not None
    assert second is None


def test_a_worker_that_died_before_its_report_changes_nothing(
    new: Notebook, cloud: FakeCloud, run_operations: Run
) -> None:
    operation = Operation.objects.get()
    cloud.notebooks.add(new.uuid)
    Notebook.objects.update(state="RUNNING", ready_at=timezone.now())

    run_operations()

    operation.refresh_from_db()
    assert (operation.status, _state(new)) == ("FINISHED", "RUNNING")


@pytest.mark.parametrize("verb", ["pause", "restart", "reset", "remove"])
@pytest.mark.parametrize("dies_in", ["stop_notebook", "remove_notebook", "ensure_notebook"])
def test_a_worker_that_dies_in_the_middle_is_continued(
    running: Notebook,
    cloud: FakeCloud,
    monkeypatch: pytest.MonkeyPatch,
    run_operations: Run,
    verb: str,
    dies_in: str,
) -> None:
    """The call was made and its answer lost."""
    real, deaths = getattr(cloud, dies_in), iter([True])

    def once(*arguments: object) -> object:
        answer = real(*arguments)
        if next(deaths, False):
            raise Superseded
        return answer

    monkeypatch.setattr(cloud, dies_in, once)
    if verb == "remove":
        services.notebook_remove(notebook=running, actor=Actor())
    else:
        _act(running, verb)

    run_operations()

    expected = {"pause": "PAUSED", "remove": "TERMINATED"}.get(verb, "RUNNING")
    assert _state(running) == expected


def test_steps_run_twice_end_the_same(new: Notebook, cloud: FakeCloud, run_operations: Run) -> None:
    """Two messages of the queue for one step."""
    operation = Operation.objects.get()
    run_step(operation.pk)
    run_step(operation.pk)
    run_operations()

    assert _state(new) == "RUNNING"
    assert cloud.notebooks == {new.uuid}


# With the workspace -----------------------------------------------------------------------------


def _remove_workspace(workspace: Workspace) -> None:
    services.workspace_remove(workspace=workspace, actor=Actor())


def test_a_workspace_takes_its_servers_with_it(
    workspace: Workspace, ada: User, notebook: Make, cloud: FakeCloud, run_operations: Run
) -> None:
    """Everybody has one, so they must not keep it from being removed."""
    states = ["NEW", "RUNNING", "PAUSED", "FAILED", "PAUSING", "READINESSPROBE"]
    rows = [notebook(ada, state, state=state) for state in states]
    cloud.notebooks |= {row.uuid for row in rows}
    cloud.workspaces.add(workspace.uuid)

    _remove_workspace(workspace)
    run_operations()

    workspace.refresh_from_db()
    assert workspace.status == "TERMINATED"
    assert {_state(row) for row in rows} == {"TERMINATED"}
    assert (cloud.notebooks, cloud.workspaces) == (set(), set())


def test_the_workspace_waits_for_its_servers(
    workspace: Workspace, running: Notebook, cloud: FakeCloud, run_operations: Run
) -> None:
    cloud.workspaces.add(workspace.uuid)

    _remove_workspace(workspace)
    run_step(Operation.objects.get(kind="workspace.remove").pk)

    assert cloud.workspaces == {workspace.uuid}
    message = Operation.objects.get(kind="workspace.remove").message
    assert message == "Waiting until 1 notebook server ended"


def test_a_server_that_will_not_go_is_asked_again(
    workspace: Workspace, running: Notebook, run_operations: Run
) -> None:
    _remove_workspace(workspace)
    Notebook.objects.update(state="FAILED", removal_requested_at=timezone.now())

    run_operations()

    workspace.refresh_from_db()
    assert workspace.status == "TERMINATED"


def test_history_of_a_removed_server_stays_and_its_ways_in_go(
    running: Notebook, ada: User, run_operations: Run
) -> None:
    now = timezone.now()
    NotebookAccess.objects.create(
        notebook=running, user=ada, secret_hash="x", created_at=now, expires_at=now
    )

    services.notebook_remove(notebook=running, actor=Actor())
    run_operations()

    assert Notebook.objects.filter(pk=running.pk).exists()
    assert not NotebookAccess.objects.exists()


# Any order of it all ----------------------------------------------------------------------------


def _anything(chance: random.Random, person: User, workspace: Workspace, cloud: FakeCloud) -> None:
    """One thing that people, workers or fate may do now; refusals are answers, too."""
    rows = list(Notebook.objects.live())
    open_ones = list(Operation.objects.unsettled())
    row = chance.choice(rows) if rows else None
    deed = chance.choice(["enter", "create", "act", "act", "remove", "work", "work", "die", "look"])
    with suppress(services.NotebookRefused, OperationConflict):
        if deed == "enter":
            services.notebook_ensure_default(workspace=workspace, user=person, is_asked=True)
        elif deed == "create" and len(rows) < 3:
            services.notebook_create(
                uuid=uuid4(),
                workspace=workspace,
                owner=person,
                name=uuid4().hex,
                instance_type=cloud.instance_types("here")[0],
                actor=Actor(person),
            )
        elif deed == "act" and row:
            services.notebook_act(
                notebook=row, verb=chance.choice(list(NOTEBOOK_VERBS)), actor=Actor(person)
            )
        elif deed == "remove" and row:
            services.notebook_remove(notebook=row, actor=Actor(person))
        elif deed == "work" and open_ones:
            cloud.notebook_phases = [chance.choice(list(NotebookPhase)[1:])]
            operation = chance.choice(open_ones)
            Operation.objects.filter(pk=operation.pk).update(next_step_at=timezone.now())
            run_step(operation.pk)
            cloud.notebook_phases = []
        elif deed == "die" and cloud.notebooks:
            cloud.lost_notebooks[chance.choice(sorted(cloud.notebooks))] = 1.0
        elif deed == "look":
            check_notebooks()


@pytest.mark.parametrize("seed", range(8))
def test_after_any_order_of_requests_and_accidents_the_rows_tell_the_truth(
    workspace: Workspace,
    ada: User,
    cloud: FakeCloud,
    probe: Probe,
    run_operations: Run,
    seed: int,
) -> None:
    chance = random.Random(seed)

    for _ in range(30):
        probe.says = chance.choice([[], ["Not yet."]])
        _anything(chance, ada, workspace, cloud)
    run_operations()
    check_notebooks()
    run_operations()

    assert not Operation.objects.unsettled().exists()
    running = set(Notebook.objects.running().values_list("uuid", flat=True))
    assert cloud.notebooks == running
    settled = {"RUNNING", "PAUSED", "FAILED", "TERMINATED"}
    assert set(Notebook.objects.values_list("state", flat=True)) <= settled
    for row in Notebook.objects.exclude(state="RUNNING"):
        assert row.address == ""
