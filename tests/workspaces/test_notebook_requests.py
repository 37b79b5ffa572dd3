"""What people, timers and the platform ask of notebook servers, and who may."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError
from django.utils import timezone

from accounts.models import User
from tests.fake_cloud import FakeCloud
from workspaces import services
from workspaces.clouds.base import CloudError, InstanceType
from workspaces.guards import SpendingRefused
from workspaces.models import (
    Notebook,
    Operation,
    OrganizationMembership,
    TimelineEntry,
    Workspace,
    WorkspaceMembership,
)
from workspaces.models.notebooks import NOTEBOOK_VERBS
from workspaces.notebook_idle import pauses_at
from workspaces.notebook_rights import may_change, may_open, without_right
from workspaces.notebooks.activity import Kernel, ServerActivity
from workspaces.notebooks.probe import NoAnswer
from workspaces.operations import Actor, OperationConflict
from workspaces.secrets import unseal
from workspaces.services import NotebookRefused
from workspaces.tasks import check_notebooks, pause_idle_notebooks

Member = Callable[..., User]
Make = Callable[..., Notebook]
KIND = FakeCloud().instance_types("here")[0]
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def ada(workspace: Workspace, member: Member) -> User:
    return member("MEMBER", workspace)


def _create(workspace: Workspace, owner: User, name: str = "Lab", **fields: Any) -> Notebook:
    arguments = {"uuid": uuid4(), "instance_type": KIND, "actor": Actor(owner), **fields}
    return services.notebook_create(workspace=workspace, owner=owner, name=name, **arguments)


def _refuse(*, workspace: Workspace, actor: Actor) -> None:
    raise SpendingRefused("The budget is used up.")


def _state(notebook: Notebook) -> str:
    notebook.refresh_from_db()
    return notebook.state


# My Notebook ------------------------------------------------------------------------------------


def test_first_entry_makes_my_notebook_with_the_smallest_type(
    workspace: Workspace, ada: User
) -> None:
    """F030."""
    made = services.notebook_ensure_default(workspace=workspace, user=ada)

    assert made is not None
    assert (made.name, made.is_default, made.owner, made.state) == ("My Notebook", True, ada, "NEW")
    assert (made.instance_type, made.vcpus, made.memory_mib) == ("c5.large", 2, 4096)
    assert Operation.objects.get().kind == "notebook.create"
    assert TimelineEntry.objects.get().action == "notebook.create"


def test_later_entries_find_it_again(workspace: Workspace, ada: User, member: Member) -> None:
    """F030."""
    first = services.notebook_ensure_default(workspace=workspace, user=ada)

    second = services.notebook_ensure_default(workspace=workspace, user=ada)
    other = services.notebook_ensure_default(workspace=workspace, user=member("MEMBER", workspace))

    assert second == first
    assert other != first
    assert Operation.objects.count() == 2


def test_removed_my_notebook_comes_back_only_when_asked_for(
    workspace: Workspace, ada: User, notebook: Make
) -> None:
    notebook(ada, "My Notebook", is_default=True, state="TERMINATED")

    by_itself = services.notebook_ensure_default(workspace=workspace, user=ada)
    asked = services.notebook_ensure_default(workspace=workspace, user=ada, is_asked=True)

    assert by_itself is None
    assert asked is not None
    assert Notebook.objects.live().get() == asked


def test_of_two_first_entries_at_once_the_second_finds_the_firsts(
    workspace: Workspace, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one had looked before the first one wrote."""
    from workspaces.services import notebooks

    ask_provider = notebooks._default_instance_type

    def meanwhile(asked: Workspace) -> InstanceType:
        monkeypatch.setattr(notebooks, "_default_instance_type", ask_provider)
        services.notebook_ensure_default(workspace=workspace, user=ada)
        return ask_provider(asked)

    monkeypatch.setattr(notebooks, "_default_instance_type", meanwhile)

    found = services.notebook_ensure_default(workspace=workspace, user=ada)

    assert Notebook.objects.get() == found
    assert Operation.objects.count() == 1


def test_the_database_itself_allows_one_my_notebook(
    workspace: Workspace, ada: User, notebook: Make
) -> None:
    notebook(ada, "One", is_default=True)

    with pytest.raises(IntegrityError):
        notebook(ada, "Two", is_default=True)


def test_my_notebook_is_as_the_workspace_says(workspace: Workspace, ada: User) -> None:
    """V20, Default Notebook Configuration."""
    services.notebook_defaults_set(
        workspace=workspace, instance_type="c5.4xlarge", idle_minutes=30, actor=Actor()
    )

    made = services.notebook_ensure_default(workspace=workspace, user=ada)

    assert made is not None
    assert (made.instance_type, made.idle_minutes) == ("c5.4xlarge", 30)


def test_a_default_type_that_is_no_longer_offered_gives_the_smallest(
    workspace: Workspace, ada: User
) -> None:
    Workspace.objects.update(notebook_instance_type="c1.gone")
    workspace.refresh_from_db()

    made = services.notebook_ensure_default(workspace=workspace, user=ada)

    assert made is not None
    assert made.instance_type == "c5.large"


def test_a_provider_that_does_not_answer_is_told(
    workspace: Workspace, ada: User, cloud: FakeCloud
) -> None:
    cloud.error = CloudError("Unreachable", "The provider does not answer.")

    with pytest.raises(NotebookRefused, match="does not answer"):
        services.notebook_ensure_default(workspace=workspace, user=ada)


# Creating ---------------------------------------------------------------------------------------


def test_second_submit_of_the_form_finds_the_first_ones(workspace: Workspace, ada: User) -> None:
    uuid = uuid4()

    first = _create(workspace, ada, uuid=uuid)
    second = _create(workspace, ada, uuid=uuid)

    assert first == second
    assert Operation.objects.count() == 1


@pytest.mark.parametrize("name", ["Lab", "LAB", "My Notebook"])
def test_a_name_that_one_uses_is_refused(workspace: Workspace, ada: User, name: str) -> None:
    _create(workspace, ada, "Lab")

    with pytest.raises(NotebookRefused, match=r"already|another name"):
        _create(workspace, ada, name)

    assert Notebook.objects.count() == 1


def test_another_person_may_use_the_same_name(
    workspace: Workspace, ada: User, member: Member
) -> None:
    _create(workspace, ada, "Lab")

    _create(workspace, member("MEMBER", workspace), "Lab")

    assert Notebook.objects.count() == 2


@pytest.mark.parametrize("status", ["NEW", "INPROGRESS", "FAILED", "TERMINATING", "TERMINATED"])
def test_only_a_ready_workspace_takes_notebooks(
    workspace: Workspace, ada: User, status: str
) -> None:
    """Asked of the database: the page that was loaded before knows nothing of a removal."""
    Workspace.objects.update(status=status)

    with pytest.raises(NotebookRefused, match=status):
        _create(workspace, ada)

    assert not Notebook.objects.exists()


def test_the_token_is_sealed_and_never_told(workspace: Workspace, ada: User) -> None:
    made = _create(workspace, ada)

    token = unseal(made.sealed_token, context=made.token_context)
    written = f"{list(TimelineEntry.objects.values())}{list(Operation.objects.values())}"
    assert len(token) >= 43
    assert token not in written
    assert token not in made.sealed_token


def test_guards_of_spending_are_asked(
    workspace: Workspace, ada: User, notebook: Make, settings: Any
) -> None:
    settings.SPENDING_GUARDS = [f"{__name__}._refuse"]
    paused = notebook(ada, "P", state="PAUSED")
    failed = notebook(ada, "F", state="FAILED")

    for ask in (
        lambda: _create(workspace, ada),
        lambda: services.notebook_ensure_default(workspace=workspace, user=ada),
        lambda: services.notebook_act(notebook=paused, verb="resume", actor=Actor(ada)),
        lambda: services.notebook_act(notebook=paused, verb="reset", actor=Actor(ada)),
        lambda: services.notebook_act(notebook=failed, verb="start", actor=Actor(ada)),
    ):
        with pytest.raises(SpendingRefused, match="budget"):
            ask()

    assert not Operation.objects.exists()
    assert (_state(paused), _state(failed)) == ("PAUSED", "FAILED")


def test_nothing_stops_a_pause_or_a_removal(ada: User, notebook: Make, settings: Any) -> None:
    settings.SPENDING_GUARDS = [f"{__name__}._refuse"]
    running, other = notebook(ada, "R", state="RUNNING"), notebook(ada, "O", state="RUNNING")

    services.notebook_act(notebook=running, verb="pause", actor=Actor(ada))
    services.notebook_remove(notebook=other, actor=Actor(ada))

    assert (_state(running), _state(other)) == ("PAUSING", "TERMINATING")


# Verbs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", Notebook.State.values)
@pytest.mark.parametrize("verb", NOTEBOOK_VERBS)
def test_each_state_allows_its_verbs_and_refuses_the_rest(
    ada: User, notebook: Make, state: str, verb: str
) -> None:
    made = notebook(ada, state=state)

    if state in NOTEBOOK_VERBS[verb]:
        services.notebook_act(notebook=made, verb=verb, actor=Actor(ada))
        expected = "PAUSING" if verb == "pause" else "INPROGRESS"
        assert _state(made) == expected
        assert Operation.objects.get().kind == f"notebook.{verb}"
        assert TimelineEntry.objects.get().action == f"notebook.{verb}"
    else:
        with pytest.raises(NotebookRefused, match=f"Lab is {state}; only a .* can {verb}"):
            services.notebook_act(notebook=made, verb=verb, actor=Actor(ada))
        assert _state(made) == state
        assert not Operation.objects.exists()


@pytest.mark.parametrize("verb", NOTEBOOK_VERBS)
def test_what_is_being_removed_does_nothing_else(ada: User, notebook: Make, verb: str) -> None:
    state = NOTEBOOK_VERBS[verb][0]
    made = notebook(ada, state=state, removal_requested_at=timezone.now())

    with pytest.raises(NotebookRefused, match="being removed"):
        services.notebook_act(notebook=made, verb=verb, actor=Actor(ada))

    assert made.verbs == []


@pytest.mark.parametrize("verb", ["resume", "start", "restart", "reset"])
def test_nothing_starts_in_a_workspace_that_goes(
    workspace: Workspace, ada: User, notebook: Make, verb: str
) -> None:
    made = notebook(ada, state=NOTEBOOK_VERBS[verb][0])
    Workspace.objects.update(status="TERMINATING")

    with pytest.raises(NotebookRefused, match="TERMINATING"):
        services.notebook_act(notebook=made, verb=verb, actor=Actor(ada))


def test_reset_makes_a_new_token(ada: User, notebook: Make) -> None:
    made = notebook(ada, state="RUNNING")

    services.notebook_act(notebook=made, verb="reset", actor=Actor(ada))

    made.refresh_from_db()
    assert unseal(made.sealed_token, context=made.token_context) != "token of Lab"


def test_second_request_meets_the_first(ada: User, notebook: Make) -> None:
    made = notebook(ada, state="RUNNING")
    services.notebook_act(notebook=made, verb="pause", actor=Actor(ada))

    with pytest.raises((NotebookRefused, OperationConflict)):
        services.notebook_act(notebook=made, verb="restart", actor=Actor(ada))

    assert Operation.objects.count() == 1


def test_start_does_not_wait_for_the_cleaning_up(
    workspace: Workspace, ada: User, notebook: Make
) -> None:
    made = notebook(ada, state="RUNNING", ready_at=NOW)
    services.notebook_mark_lost(notebook=made, reason="The server ended.")
    made.refresh_from_db()

    services.notebook_act(notebook=made, verb="start", actor=Actor(ada))

    kinds = Operation.objects.order_by("pk").values_list("kind", "status")
    assert list(kinds) == [("notebook.clean", "CANCELLED"), ("notebook.start", "NEW")]


@pytest.mark.parametrize("state", [s for s in Notebook.State.values if not s.startswith("TERM")])
def test_removal_is_legal_in_every_state(
    ada: User, notebook: Make, cloud: FakeCloud, run_operations: Callable[..., int], state: str
) -> None:
    made = notebook(ada, state=state)
    cloud.notebooks.add(made.uuid)

    asked = services.notebook_remove(notebook=made, actor=Actor(ada))
    again = services.notebook_remove(notebook=made, actor=Actor(ada))
    run_operations()

    assert asked is not None
    assert again is None
    assert _state(made) == "TERMINATED"
    assert made.sealed_token == ""
    assert cloud.notebooks == set()


def test_a_removal_that_failed_is_asked_for_again(ada: User, notebook: Make) -> None:
    made = notebook(ada, state="FAILED", removal_requested_at=NOW)

    services.notebook_remove(notebook=made, actor=Actor(ada))

    assert _state(made) == "TERMINATING"


# Whose it is ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("person", "opens", "changes"),
    [
        ("owner", True, True),
        ("member", False, False),
        ("viewer", False, False),
        ("admin", False, True),
        ("organization owner", False, True),
        ("stranger", False, False),
    ],
)
def test_who_may_open_and_change_a_notebook(
    workspace: Workspace,
    ada: User,
    member: Member,
    user: Callable[..., User],
    notebook: Make,
    person: str,
    opens: bool,
    changes: bool,
) -> None:
    """K13: nobody opens what is another's, no Admin either."""
    from workspaces.permissions import workspace_role

    made = notebook(ada)
    people = {
        "owner": lambda: ada,
        "member": lambda: member("MEMBER", workspace),
        "viewer": lambda: member("VIEWER", workspace),
        "admin": lambda: member("ADMIN", workspace),
        "organization owner": lambda: member("OWNER"),
        "stranger": lambda: user("mallory@example.org"),
    }
    who = people[person]()
    role = workspace_role(who, workspace)

    assert may_open(who, role, made) is opens
    assert may_change(who, role, made) is changes


def test_own_notebook_of_a_viewer_is_not_opened(
    workspace: Workspace, member: Member, notebook: Make
) -> None:
    """Somebody who was a Member once."""
    viewer = member("VIEWER", workspace)

    assert not may_open(viewer, "VIEWER", notebook(viewer))
    assert not may_change(viewer, "VIEWER", notebook(viewer, "Two"))


def _remove_from_workspace(person: User) -> None:
    WorkspaceMembership.objects.filter(user=person).delete()


def _make_viewer(person: User) -> None:
    WorkspaceMembership.objects.filter(user=person).update(role="VIEWER")


def _lock(person: User) -> None:
    User.objects.filter(pk=person.pk).update(locked_at=timezone.now())


def _deactivate(person: User) -> None:
    User.objects.filter(pk=person.pk).update(is_active=False)


def _delete(person: User) -> None:
    Notebook.objects.filter(owner=person).update(owner=None)


LOSSES = [_remove_from_workspace, _make_viewer, _lock, _deactivate, _delete]


@pytest.mark.parametrize("state", [*Notebook.STARTING, "RUNNING"])
@pytest.mark.parametrize("lose", LOSSES)
def test_the_server_of_who_lost_the_right_pauses(
    ada: User,
    notebook: Make,
    cloud: FakeCloud,
    run_operations: Callable[..., int],
    lose: Callable[[User], None],
    state: str,
) -> None:
    made = notebook(ada, state=state)
    cloud.notebooks.add(made.uuid)
    lose(ada)

    check_notebooks()
    run_operations()

    assert _state(made) == "PAUSED"
    assert made.state_reason.startswith("Its owner may not open")
    assert cloud.notebooks == set()
    assert Operation.objects.get().source == "drift"


@pytest.mark.parametrize("lose", LOSSES)
def test_it_is_removed_by_an_admin_and_started_by_nobody(
    workspace: Workspace, ada: User, member: Member, notebook: Make, lose: Callable[[User], None]
) -> None:
    made = notebook(ada, state="PAUSED")
    lose(ada)
    made = Notebook.objects.get(pk=made.pk)
    admin = Actor(member("ADMIN", workspace))

    with pytest.raises(NotebookRefused, match="Remove it; the shared files stay"):
        services.notebook_act(notebook=made, verb="resume", actor=admin)
    services.notebook_remove(notebook=made, actor=admin)

    assert _state(made) == "TERMINATING"


def test_servers_of_those_with_the_right_go_on(
    workspace: Workspace, ada: User, member: Member, notebook: Make, cloud: FakeCloud
) -> None:
    """By their own role, and by what they manage."""
    rows = [notebook(ada, state="RUNNING"), notebook(member("ADMIN"), state="RUNNING")]
    cloud.notebooks |= {row.uuid for row in rows}

    check_notebooks()

    assert [_state(row) for row in rows] == ["RUNNING", "RUNNING"]
    assert without_right(rows) == []


def test_an_admin_of_another_organization_has_no_right_here(
    ada: User, member: Member, notebook: Make
) -> None:
    from workspaces.models import Organization

    WorkspaceMembership.objects.filter(user=ada).delete()
    other = Organization.objects.create(name="Babbage")
    OrganizationMembership.objects.create(organization=other, user=ada, role="OWNER")
    made = notebook(ada)

    assert without_right([made]) == [made]


def test_the_question_costs_two_queries_for_all(
    workspace: Workspace,
    member: Member,
    notebook: Make,
    django_assert_num_queries: Callable[[int], Any],
) -> None:
    for number in range(4):
        notebook(member("MEMBER", workspace), f"N{number}")
    rows = list(Notebook.objects.select_related("owner", "workspace"))

    with django_assert_num_queries(2):
        assert without_right(rows) == []


# Found dead, and idle ---------------------------------------------------------------------------


def test_a_dead_server_is_told_with_its_cause_and_cleaned_up(
    ada: User, notebook: Make, cloud: FakeCloud, run_operations: Callable[..., int]
) -> None:
    made = notebook(ada, state="RUNNING", ready_at=NOW, address="http://127.0.0.1:9")
    alive = notebook(ada, "Alive", state="RUNNING", ready_at=NOW)
    cloud.notebooks |= {made.uuid, alive.uuid}
    cloud.lost_notebooks[made.uuid] = 1.0

    check_notebooks()
    check_notebooks()
    run_operations()

    assert (_state(made), made.state_reason) == ("FAILED", "The server ended.")
    assert made.address == ""
    assert made.verbs == ["start", "reset"]
    assert _state(alive) == "RUNNING"
    assert Operation.objects.get().kind == "notebook.clean"
    assert TimelineEntry.objects.get().action == "notebook.lost"
    assert cloud.notebooks == {alive.uuid}


def test_a_server_that_is_nowhere_to_be_seen_is_dead(
    ada: User, notebook: Make, cloud: FakeCloud
) -> None:
    made = notebook(ada, state="RUNNING", ready_at=NOW)

    check_notebooks()

    assert (_state(made), made.state_reason) == ("FAILED", "Its server is gone.")


def test_one_that_was_restarted_since_is_left_alone(ada: User, notebook: Make) -> None:
    seen = notebook(ada, state="RUNNING", ready_at=NOW)
    Notebook.objects.update(ready_at=NOW + timedelta(seconds=9))

    assert not services.notebook_mark_lost(notebook=seen, reason="The server ended.")

    assert _state(seen) == "RUNNING"


def test_the_look_is_one_per_cloud_configuration(
    ada: User, notebook: Make, cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [notebook(ada, f"N{n}", state="RUNNING") for n in range(3)]
    cloud.notebooks |= {row.uuid for row in rows}
    looks = []
    look = cloud.observe_notebooks
    monkeypatch.setattr(cloud, "observe_notebooks", lambda u: looks.append(list(u)) or look(u))

    check_notebooks()

    assert [len(uuids) for uuids in looks] == [3]


@pytest.fixture
def activities(monkeypatch: pytest.MonkeyPatch) -> dict[str, ServerActivity]:
    """What servers tell, by their token; one that is not named here has been idle."""
    told: dict[str, ServerActivity] = {}

    def look(address: str, token: str) -> ServerActivity:
        if address == "nowhere":
            raise NoAnswer("The notebook server does not answer yet.")
        return told.get(token, ServerActivity((), ()))

    monkeypatch.setattr("workspaces.services.notebook_use.look", look)
    return told


@pytest.mark.usefixtures("activities")
@pytest.mark.parametrize(
    ("state", "own", "installation", "used_minutes_ago", "pauses"),
    [
        ("RUNNING", None, 60, 61, True),
        ("RUNNING", None, 60, 60, True),
        ("RUNNING", None, 60, 59, False),
        ("RUNNING", None, 0, 10_000, False),
        ("RUNNING", 0, 60, 10_000, False),
        ("RUNNING", 30, 60, 31, True),
        ("RUNNING", 30, 0, 31, True),
        ("RUNNING", 120, 60, 61, False),
        ("PAUSED", None, 60, 61, False),
        ("READINESSPROBE", None, 60, 61, False),
        ("FAILED", None, 60, 61, False),
    ],
)
def test_idle_servers_pause(
    ada: User,
    notebook: Make,
    settings: Any,
    state: str,
    own: int | None,
    installation: int,
    used_minutes_ago: int,
    pauses: bool,
) -> None:
    settings.NOTEBOOK_IDLE_MINUTES = installation
    used = timezone.now() - timedelta(minutes=used_minutes_ago)
    made = notebook(ada, state=state, idle_minutes=own, ready_at=used, last_activity_at=used)

    pause_idle_notebooks()

    assert _state(made) == ("PAUSING" if pauses else state)
    if pauses:
        asked = Operation.objects.get()
        assert (asked.kind, asked.source) == ("notebook.pause", "timer")
        assert asked.reason == f"Not used for {installation if own is None else own} minutes."


def test_work_that_nobody_saw_during_an_outage_keeps_it(
    ada: User, notebook: Make, activities: dict[str, ServerActivity]
) -> None:
    """The platform was down for longer than the timer, and a cell computes all the time."""
    used = timezone.now() - timedelta(hours=9)
    busy, idle = (
        notebook(ada, name, state="RUNNING", idle_minutes=60, last_activity_at=used)
        for name in ("Busy", "Idle")
    )
    activities["token of Busy"] = ServerActivity((Kernel("python3", True, used),), ())

    pause_idle_notebooks()

    assert (_state(busy), _state(idle)) == ("RUNNING", "PAUSING")
    assert busy.last_activity_at is not None
    assert busy.last_activity_at > used


@pytest.mark.usefixtures("activities")
@pytest.mark.parametrize("lost", ["answer", "key"])
def test_server_that_can_not_be_asked_may_compute(
    ada: User, notebook: Make, caplog: pytest.LogCaptureFixture, lost: str
) -> None:
    used = timezone.now() - timedelta(hours=9)
    fields = {"state": "RUNNING", "idle_minutes": 60, "last_activity_at": used}
    silent = notebook(ada, "Silent", **fields)
    other = notebook(ada, "Other", **fields)
    change = {"address": "nowhere"} if lost == "answer" else {"sealed_token": "lost:AAAA"}
    Notebook.objects.filter(pk=silent.pk).update(**change)

    pause_idle_notebooks()

    assert (_state(silent), _state(other)) == ("RUNNING", "PAUSING")
    assert f"idle notebook {silent.uuid} does not answer" in caplog.text


def test_use_since_the_look_keeps_it(ada: User, notebook: Make, settings: Any) -> None:
    settings.NOTEBOOK_IDLE_MINUTES = 60
    now = timezone.now()
    looked_at = notebook(ada, state="RUNNING", last_activity_at=now - timedelta(hours=2))
    Notebook.objects.update(last_activity_at=now)

    assert not services.notebook_pause_idle(notebook=looked_at, now=now)

    assert _state(looked_at) == "RUNNING"


def test_a_clock_that_was_set_back_keeps_no_server(
    ada: User, notebook: Make, settings: Any
) -> None:
    settings.NOTEBOOK_IDLE_MINUTES = 60
    now = timezone.now()
    made = notebook(ada, state="RUNNING", last_activity_at=now + timedelta(days=400))

    pause_idle_notebooks()

    made.refresh_from_db()
    pauses = pauses_at(made)
    assert pauses is not None
    assert pauses <= timezone.now() + timedelta(minutes=60)


def test_without_a_sign_of_use_the_time_counts_from_the_start(ada: User, notebook: Make) -> None:
    made = notebook(ada, state="RUNNING", idle_minutes=10, ready_at=NOW)

    assert pauses_at(made) == NOW + timedelta(minutes=10)


def test_defaults_that_stay_the_same_are_no_change(workspace: Workspace) -> None:
    changed = [
        services.notebook_defaults_set(
            workspace=workspace, instance_type="c5.large", idle_minutes=0, actor=Actor()
        )
        for _ in range(2)
    ]

    assert changed == [True, False]
    entry = TimelineEntry.objects.get()
    assert entry.after == {"notebook_instance_type": "c5.large", "notebook_idle_minutes": 0}
