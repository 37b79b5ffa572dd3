"""The pages of notebook servers: one's own, My Notebook, and the workspace's settings."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from clusters.models import Cluster, NotebookAttachment
from tests.fake_cloud import FakeCloud
from workspaces.clouds.base import CloudError
from workspaces.models import Notebook, NotebookAccess, Operation, TimelineEntry, Workspace
from workspaces.models.notebooks import NOTEBOOK_VERBS

Member = Callable[..., User]
Make = Callable[..., Notebook]
SignedIn = Callable[[User], Client]


@pytest.fixture
def ada(workspace: Workspace, member: Member) -> User:
    return member("MEMBER", workspace)


@pytest.fixture
def client(ada: User, signed_in: SignedIn) -> Client:
    return signed_in(ada)


def _url(name: str, workspace: Workspace, notebook: Notebook | None = None) -> str:
    return reverse(name, args=[workspace.uuid, *([notebook.uuid] if notebook else [])])


def _page(client: Client, url: str, **more: Any) -> str:
    response = client.get(url, **more)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def _state(notebook: Notebook) -> str:
    notebook.refresh_from_db()
    return notebook.state


# Notebooks, V12 ---------------------------------------------------------------------------------


def test_the_list_shows_the_documented_columns(
    workspace: Workspace, ada: User, client: Client, notebook: Make, cluster: Callable[..., Cluster]
) -> None:
    """V12, F032, F033."""
    made = notebook(ada, "benchmarks", state="READINESSPROBE")
    NotebookAttachment.objects.create(
        cluster=cluster("benchmark-cluster"),
        notebook=made,
        attached_at=timezone.now(),
        last_kernel_at=timezone.now(),
    )

    page = _page(client, _url("notebooks:list", workspace))

    assert "Jupyter Notebooks management" in page
    assert re.findall(r'resource-label">([A-Z ]+)<', page) == [
        "NAME",
        "STATUS",
        "CLUSTER",
        "CONTAINER",
    ]
    for text in ("benchmarks", "READINESSPROBE", "benchmark-cluster", "JupyterLab 4.5", "DETAILS"):
        assert text in page
    assert "Create Notebook" in page


@pytest.mark.parametrize(
    ("state", "word"),
    [
        ("NEW", "NEW"),
        ("INPROGRESS", "INPROGRESS"),
        ("READINESSPROBE", "READINESSPROBE"),
        ("RUNNING", "FINISHED"),
        ("PAUSED", "PAUSED"),
        ("FAILED", "FAILED"),
    ],
)
def test_the_status_is_the_documents_word(
    workspace: Workspace, ada: User, client: Client, notebook: Make, state: str, word: str
) -> None:
    notebook(ada, state=state)

    page = _page(client, _url("notebooks:list", workspace))

    assert re.findall(r"status-badge-\w+[^>]*>(\w+)<", page) == [word]


@pytest.mark.parametrize("state", Notebook.State.values)
def test_open_is_disabled_until_it_is_ready(
    workspace: Workspace, ada: User, client: Client, notebook: Make, state: str
) -> None:
    """F039, F040."""
    notebook(ada, state=state)

    page = _page(client, _url("notebooks:list", workspace))

    if state == "TERMINATED":
        assert "OPEN NOTEBOOK" not in page
        return
    button = re.search(r"<button[^>]*split-main[^>]*>OPEN NOTEBOOK", page)
    assert button is not None
    assert ("disabled" in button[0]) is (state != "RUNNING")
    assert ("Open in a new tab" in page) is (state == "RUNNING")
    if state == "RUNNING":
        assert 'rel="noopener"' in page
        assert 'formtarget="_blank"' in page


@pytest.mark.parametrize("state", Notebook.State.values[:-1])
def test_only_what_changes_by_itself_polls(
    workspace: Workspace, ada: User, client: Client, notebook: Make, state: str
) -> None:
    made = notebook(ada, state=state)

    row = _page(client, _url("notebooks:row", workspace, made))
    panel = _page(client, _url("notebooks:panel", workspace, made))

    for fragment in (row, panel):
        assert ("hx-get" in fragment) is (state in Notebook.UNSETTLED)


def test_a_reset_asks_first_and_in_the_details_alone(
    workspace: Workspace, ada: User, client: Client, notebook: Make
) -> None:
    made = notebook(ada, state="RUNNING")

    row = _page(client, _url("notebooks:row", workspace, made))
    panel = _page(client, _url("notebooks:panel", workspace, made))

    assert "RESET" not in row
    assert "Reset Lab?" in panel
    for question in (row, panel):
        assert "what lies in its home folder (~) go" in question  # it is deleted with the server


def test_the_list_is_ones_own(
    workspace: Workspace, client: Client, member: Member, notebook: Make
) -> None:
    notebook(member("MEMBER", workspace), "somebody elses")

    page = _page(client, _url("notebooks:list", workspace))

    assert "somebody elses" not in page
    assert "No notebooks found" in page


def test_the_details_tell_everything(
    workspace: Workspace, ada: User, client: Client, notebook: Make, run_operations: Any
) -> None:
    used = timezone.now()
    made = notebook(
        ada,
        state="RUNNING",
        description="for benchmarks",
        idle_minutes=90,
        last_activity_at=used,
        address="http://10.0.0.7:8888",
    )
    client.post(_url("notebooks:pause", workspace, made))
    Notebook.objects.update(state="RUNNING")

    page = _page(client, _url("notebooks:detail", workspace, made))

    until = used + timedelta(minutes=90)
    for text in (
        str(made.uuid),
        f'data-copy="{made.uuid}"',
        f"nb-{made.uuid}",
        'data-copy="10.0.0.7"',
        ada.email,
        "for benchmarks",
        "2 vCPUs, 1 core",
        f"{used:%H:%M:%S} UTC",
        f"pauses at {until.day} {until:%b %Y, %H:%M} UTC",
        "PAUSE",
        "Tasks",
    ):
        assert text in page
    assert made.sealed_token not in page
    assert "8888" not in page


def test_number_of_queries_does_not_grow_with_the_rows(
    workspace: Workspace, ada: User, client: Client, notebook: Make, member: Member
) -> None:
    urls = [_url("notebooks:list", workspace), _url("settings:notebooks", workspace)]

    def count() -> list[int]:
        counts = []
        for url in urls:
            with CaptureQueriesContext(
                connection,
            ) as queries:
                client.get(url)
            counts.append(len(queries))
        return counts

    notebook(ada, "one")
    count()
    few = count()
    for number in range(8):
        notebook(ada, f"more {number}")
        notebook(member("MEMBER", workspace), f"other {number}")

    assert count() == few


# Create Notebook, V13 ---------------------------------------------------------------------------


def _form(**changes: Any) -> dict[str, Any]:
    return {"uuid": str(uuid4()), "name": "bench", "instance_type": "c5.4xlarge", **changes}


def test_the_form_has_the_documented_fields_in_order(
    workspace: Workspace, client: Client, cluster: Callable[..., Cluster]
) -> None:
    """V13, F034, F036."""
    chosen = cluster("benchmark-cluster", state="RUNNING")
    cluster("for a job", is_dedicated=True)

    page = _page(client, _url("notebooks:create", workspace))

    labels = re.findall(r'class="form-label[^"]*"[^>]*>([^<]+)<', page)
    assert labels == [
        "Notebook name",
        "Notebook description",
        "Instance type",
        "Cluster",
        "Container",
    ]
    assert "c5.4xlarge | vCPUs: 16 cores: 8 memory: 32 GiB" in page
    assert "Select a cluster..." in page
    assert f'value="{chosen.uuid}"' in page
    assert "for a job" not in page
    assert "JupyterLab 4.5" in page
    assert ">CREATE<" in page


def test_create_makes_the_notebook_and_its_task(
    workspace: Workspace, ada: User, client: Client, cluster: Callable[..., Cluster]
) -> None:
    """F037."""
    chosen = cluster("Alpha")
    data = _form(description="d", preferred_cluster=str(chosen.uuid))

    response = client.post(_url("notebooks:create", workspace), data, follow=True)
    client.post(_url("notebooks:create", workspace), data)

    made = Notebook.objects.get()
    assert b"Now creating notebook bench" in response.content
    assert b"Alpha" in response.content
    assert (made.owner, made.uuid, made.description) == (ada, UUID(data["uuid"]), "d")
    assert (made.instance_type, made.cores) == ("c5.4xlarge", 8)
    assert made.preferred_cluster == chosen.uuid
    assert not made.is_default
    assert Operation.objects.get().kind == "notebook.create"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": ""}, "This field is required."),
        ({"name": "taken"}, "You have a notebook named taken here already."),
        ({"name": "TAKEN"}, "You have a notebook named TAKEN here already."),
        ({"name": "my notebook"}, "My Notebook is made by itself. Choose another name."),
        ({"name": "x" * 81}, "at most 80 characters"),
        ({"instance_type": "c9.none"}, "Select a valid choice."),
        ({"preferred_cluster": str(uuid4())}, "Select a valid choice."),
        ({"preferred_cluster": "nonsense"}, "Select a valid choice."),
        ({"uuid": "nonsense"}, "This form is not complete. Load it again."),
    ],
)
def test_a_bad_form_says_what_is_wrong(
    workspace: Workspace,
    ada: User,
    client: Client,
    notebook: Make,
    changes: dict[str, str],
    sentence: str,
) -> None:
    notebook(ada, "taken")

    response = client.post(_url("notebooks:create", workspace), _form(**changes))

    assert response.status_code == 422
    assert sentence in response.content.decode()
    assert Notebook.objects.count() == 1


def test_the_form_says_why_there_is_nothing_to_choose(
    workspace: Workspace, client: Client, cloud: FakeCloud
) -> None:
    """F101."""
    cloud.error = CloudError("Credentials", "The key is not valid.")

    assert "The key is not valid." in _page(client, _url("notebooks:create", workspace))


def test_a_workspace_that_goes_refuses_with_a_sentence(
    workspace: Workspace, client: Client
) -> None:
    Workspace.objects.update(status="TERMINATING")

    response = client.post(_url("notebooks:create", workspace), _form())

    assert response.status_code == 422
    assert b"The workspace is TERMINATING" in response.content


# OPEN NOTEBOOK ----------------------------------------------------------------------------------


def test_open_leads_to_the_notebooks_own_host_with_a_ticket(
    workspace: Workspace, ada: User, client: Client, notebook: Make, settings: Any
) -> None:
    """F029: single sign-on."""
    long_ago = timezone.now() - timedelta(hours=9)
    made = notebook(ada, state="RUNNING", last_activity_at=long_ago)

    response = client.post(_url("notebooks:open", workspace, made))

    origin = settings.NOTEBOOK_ORIGIN.replace("{uuid}", str(made.uuid))
    assert response.status_code == 303
    assert response.url.startswith(f"{origin}/_bodoweb/enter?ticket=")  # type: ignore[attr-defined]
    assert "no-store" in response["Cache-Control"]
    access = NotebookAccess.objects.get()
    assert (access.user, access.session_key) == (ada, client.session.session_key)
    made.refresh_from_db()
    assert made.last_activity_at is not None
    assert made.last_activity_at > long_ago


@pytest.mark.parametrize("state", [s for s in Notebook.State.values if s != "RUNNING"])
def test_what_is_not_ready_is_not_opened(
    workspace: Workspace, ada: User, client: Client, notebook: Make, state: str
) -> None:
    """F039."""
    made = notebook(ada, state=state)

    response = client.post(_url("notebooks:open", workspace, made), follow=True)

    assert f"Lab is {state}".encode() in response.content
    assert not NotebookAccess.objects.exists()


def test_opening_is_a_post(workspace: Workspace, ada: User, client: Client, notebook: Make) -> None:
    made = notebook(ada, state="RUNNING")
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(ada, backend="allauth.account.auth_backends.AuthenticationBackend")

    assert client.get(_url("notebooks:open", workspace, made)).status_code == 405
    assert strict.post(_url("notebooks:open", workspace, made)).status_code == 403
    assert not NotebookAccess.objects.exists()


@pytest.mark.parametrize(
    ("role", "opens", "acts", "sees"),
    [
        ("member", 403, 403, 200),
        ("viewer", 403, 403, 200),
        ("admin", 403, 302, 200),
        ("organization owner", 403, 302, 200),
        ("organization member", 404, 404, 404),
        ("stranger", 404, 404, 404),
    ],
)
def test_what_others_may_do_with_ones_notebook(
    workspace: Workspace,
    ada: User,
    member: Member,
    user: Callable[..., User],
    signed_in: SignedIn,
    notebook: Make,
    role: str,
    opens: int,
    acts: int,
    sees: int,
) -> None:
    """K13, K14: Admins manage it, nobody opens it."""
    people = {
        "member": lambda: member("MEMBER", workspace),
        "viewer": lambda: member("VIEWER", workspace),
        "admin": lambda: member("ADMIN", workspace),
        "organization owner": lambda: member("OWNER"),
        "organization member": lambda: member("MEMBER"),
        "stranger": lambda: user("mallory@example.org"),
    }
    client = signed_in(people[role]())
    rows = {verb: notebook(ada, verb, state=s[0]) for verb, s in NOTEBOOK_VERBS.items()}
    rows["remove"] = notebook(ada, "remove", state="RUNNING")
    running = rows["pause"]

    assert client.post(_url("notebooks:open", workspace, running)).status_code == opens
    for name in ("row", "panel", "detail"):
        assert client.get(_url(f"notebooks:{name}", workspace, running)).status_code == sees
    for verb, made in rows.items():
        assert client.post(_url(f"notebooks:{verb}", workspace, made)).status_code == acts

    assert not NotebookAccess.objects.exists()
    assert Operation.objects.count() == (len(rows) if acts == 302 else 0)


@pytest.mark.parametrize("verb", NOTEBOOK_VERBS)
def test_the_page_acts_and_tells(
    workspace: Workspace, ada: User, client: Client, notebook: Make, verb: str
) -> None:
    made = notebook(ada, state=NOTEBOOK_VERBS[verb][0])

    first = client.post(_url(f"notebooks:{verb}", workspace, made), follow=True)
    second = client.post(_url(f"notebooks:{verb}", workspace, made), follow=True)

    assert f"ing notebook {made.name}".encode() in first.content
    assert f"notebook can {verb}".encode() in second.content
    assert first.redirect_chain[-1][0] == _url("notebooks:list", workspace)  # type: ignore[attr-defined]
    assert TimelineEntry.objects.get().actor == ada


def test_an_admin_is_led_back_to_the_manager(
    workspace: Workspace, ada: User, member: Member, signed_in: SignedIn, notebook: Make
) -> None:
    made = notebook(ada, state="RUNNING")

    response = signed_in(member("ADMIN", workspace)).post(
        _url("notebooks:remove", workspace, made), follow=True
    )

    assert response.redirect_chain[-1][0] == _url("settings:notebooks", workspace)  # type: ignore[attr-defined]
    assert b"Now removing notebook Lab" in response.content
    assert _state(made) == "TERMINATING"


# My Notebook ------------------------------------------------------------------------------------


def test_the_page_of_a_first_entry_starts_my_notebook_by_itself(
    workspace: Workspace, ada: User, client: Client
) -> None:
    """F030. A GET writes nothing: the card posts as soon as it is shown."""
    page = _page(client, _url("workspaces:detail", workspace))
    before = Notebook.objects.count()
    start = _url("my_notebook:start", workspace)

    card = client.post(start, headers={"HX-Request": "true"}).content.decode()
    later = _page(client, _url("workspaces:detail", workspace))

    assert f'hx-post="{start}" hx-trigger="load"' in page
    assert "START MY NOTEBOOK" in page
    assert before == 0
    made = Notebook.objects.get()
    assert (made.owner, made.is_default) == (ada, True)
    assert "hx-get" in card
    assert "<progress" in card
    assert 'hx-trigger="load"' not in later
    assert "<progress" in later


def test_the_second_time_it_is_simply_there(
    workspace: Workspace, ada: User, client: Client, notebook: Make
) -> None:
    notebook(ada, "My Notebook", is_default=True, state="RUNNING")

    page = _page(client, _url("workspaces:detail", workspace))

    assert "OPEN NOTEBOOK" in page
    assert "START MY NOTEBOOK" not in page


def test_a_removed_one_starts_only_when_the_person_wants(
    workspace: Workspace, ada: User, client: Client, notebook: Make
) -> None:
    notebook(ada, "My Notebook", is_default=True, state="TERMINATED")
    start = _url("my_notebook:start", workspace)

    page = _page(client, _url("workspaces:detail", workspace))
    client.post(start, headers={"HX-Request": "true"})
    by_itself = Notebook.objects.live().count()
    client.post(start, {"asked": "1"})

    assert 'hx-trigger="load"' not in page
    assert "You removed it." in page
    assert by_itself == 0
    assert Notebook.objects.live().get().name == "My Notebook"


def test_an_operator_switches_the_start_by_itself_off(
    workspace: Workspace, client: Client, settings: Any
) -> None:
    settings.NOTEBOOK_ON_ENTRY = False

    page = _page(client, _url("workspaces:detail", workspace))

    assert 'hx-trigger="load"' not in page
    assert "START MY NOTEBOOK" in page


def test_without_javascript_a_button_starts_it(workspace: Workspace, client: Client) -> None:
    response = client.post(_url("my_notebook:start", workspace), {"asked": "1"}, follow=True)

    assert response.redirect_chain[-1][0] == _url("my_notebook:page", workspace)  # type: ignore[attr-defined]
    assert b"<progress" in response.content


def test_a_refused_start_says_why_and_does_not_try_for_ever(
    workspace: Workspace, client: Client, cloud: FakeCloud
) -> None:
    cloud.error = CloudError("Unreachable", "The provider does not answer.")

    card = client.post(_url("my_notebook:start", workspace), headers={"HX-Request": "true"})

    assert b"The provider does not answer." in card.content
    assert b'hx-trigger="load"' not in card.content


@pytest.mark.parametrize("status", ["NEW", "INPROGRESS", "FAILED", "TERMINATING"])
def test_nothing_starts_before_the_workspace_is_ready(
    workspace: Workspace, client: Client, status: str
) -> None:
    Workspace.objects.update(status=status)

    page = _page(client, _url("workspaces:detail", workspace))

    assert "MY NOTEBOOK" not in page
    assert "as soon as the workspace is READY" in _page(client, _url("my_notebook:page", workspace))


def test_a_viewer_has_no_my_notebook(
    workspace: Workspace, member: Member, signed_in: SignedIn
) -> None:
    page = _page(signed_in(member("VIEWER", workspace)), _url("workspaces:detail", workspace))

    assert "MY NOTEBOOK" not in page
    assert "My Notebook" not in page


def test_a_failed_one_offers_to_start_again(
    workspace: Workspace, ada: User, client: Client, notebook: Make
) -> None:
    notebook(
        ada,
        "My Notebook",
        is_default=True,
        state="FAILED",
        state_reason="The server ended: out of memory.",
    )

    card = _page(client, _url("my_notebook:card", workspace))

    assert "START AGAIN" in card
    assert "The server ended: out of memory." in card


# Workspace Settings, V20 ------------------------------------------------------------------------


def test_the_manager_lists_everybodys_servers(
    workspace: Workspace, ada: User, member: Member, signed_in: SignedIn, notebook: Make
) -> None:
    """F031."""
    used = timezone.now() - timedelta(hours=2)
    paused = notebook(ada, "nb1", state="PAUSED", last_activity_at=used)
    notebook(None, "left behind", state="PAUSED")

    page = _page(signed_in(member("ADMIN", workspace)), _url("settings:notebooks", workspace))

    for text in (
        "Workspace Settings",
        "View and configure your workspace settings.",
        "Notebook Manager",
        "Default Notebook Configuration",
        "nb1",
        ada.email,
        "PAUSED",
        f"nb-{paused.uuid}",
        "2 hours ago",
        "RESUME",
        "left behind",
        "nobody here any more",
        "Without an owner's right",
    ):
        assert text.replace("'", "&#x27;") in page or text in page
    assert page.count(">RESUME nb1<") + page.count("RESUME nb1") >= 1
    assert "RESUME left behind" not in page
    assert "OPEN NOTEBOOK" not in page


def test_the_manager_offers_nothing_that_is_not_allowed(
    workspace: Workspace, ada: User, member: Member, signed_in: SignedIn, notebook: Make
) -> None:
    notebook(ada, "nb1", state="PAUSED")

    for role in ("MEMBER", "VIEWER"):
        page = _page(signed_in(member(role, workspace)), _url("settings:notebooks", workspace))
        assert "nb1" in page
        assert "RESUME" not in page
        assert "Remove nb1?" not in page
        assert "Default Notebook Configuration" not in page


def test_a_row_of_the_manager_stays_one_when_it_polls(
    workspace: Workspace, ada: User, client: Client, notebook: Make
) -> None:
    notebook(ada, "nb1", state="PAUSING")

    page = _page(client, _url("settings:notebooks", workspace))
    (url,) = re.findall(r'hx-get="([^"]+/row/[^"]*)"', page)
    row = _page(client, url)

    assert "LAST ACTIVITY" in row
    assert url in row


def test_the_default_configuration_is_saved_and_used(
    workspace: Workspace, ada: User, client: Client, member: Member, signed_in: SignedIn
) -> None:
    url = _url("settings:defaults", workspace)
    admin = signed_in(member("ADMIN", workspace))

    response = admin.post(
        url, {"instance_type": "c5.4xlarge", "idle": "2", "idle_unit": "hours"}, follow=True
    )
    client.post(_url("my_notebook:start", workspace))

    page = response.content.decode()
    assert "Saved." in page
    assert re.search(r'value="c5.4xlarge" selected', page)
    assert re.search(r'name="idle" value="2"', page)
    made = Notebook.objects.get()
    assert (made.instance_type, made.idle_minutes) == ("c5.4xlarge", 120)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"instance_type": "c9.none"}, "Select a valid choice."),
        ({"idle_unit": "hours"}, "Enter a number, or choose Never."),
        ({"idle": "0", "idle_unit": "hours"}, "greater than or equal to 1"),
        ({"idle": "999", "idle_unit": "days"}, "A year is the longest"),
        ({"idle": "3", "idle_unit": "weeks"}, "Choose one of the offered units."),
    ],
)
def test_a_bad_default_configuration_says_what_is_wrong(
    workspace: Workspace,
    member: Member,
    signed_in: SignedIn,
    data: dict[str, str],
    sentence: str,
) -> None:
    response = signed_in(member("ADMIN", workspace)).post(
        _url("settings:defaults", workspace), data
    )

    assert response.status_code == 422
    assert sentence in response.content.decode()
    workspace.refresh_from_db()
    assert workspace.notebook_idle_minutes is None


@pytest.mark.parametrize(
    ("unit", "number", "minutes"),
    [("installation", "", None), ("never", "", 0), ("minutes", "45", 45), ("days", "1", 1440)],
)
def test_each_way_to_say_when_it_pauses(
    workspace: Workspace,
    member: Member,
    signed_in: SignedIn,
    unit: str,
    number: str,
    minutes: int | None,
) -> None:
    url = _url("settings:defaults", workspace)
    admin = signed_in(member("ADMIN", workspace))

    admin.post(url, {"idle": number, "idle_unit": unit})

    workspace.refresh_from_db()
    assert workspace.notebook_idle_minutes == minutes
    assert re.search(f'value="{unit}" selected', admin.get(url).content.decode())


def test_a_default_type_that_is_gone_stays_chosen(
    workspace: Workspace, member: Member, signed_in: SignedIn
) -> None:
    Workspace.objects.update(notebook_instance_type="c1.gone")

    page = _page(signed_in(member("ADMIN", workspace)), _url("settings:defaults", workspace))

    assert "c1.gone (not offered now)" in page


def test_the_admin_shows_no_token(
    user: Callable[..., User], ada: User, notebook: Make, signed_in: SignedIn
) -> None:
    made = notebook(ada)
    operator = user("operator@example.org", is_staff=True, is_superuser=True)

    page = signed_in(operator).get(f"/admin/workspaces/notebook/{made.pk}/change/")

    assert page.status_code == 200
    assert made.sealed_token.encode() not in page.content
