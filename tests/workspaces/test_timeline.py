from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from clusters.models import Cluster
from workspaces.models import Organization, TimelineEntry, Workspace
from workspaces.sentences import action_in_past

Member = Callable[..., User]
SignedIn = Callable[[User], Client]
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def entry(workspace: Workspace) -> Callable[..., TimelineEntry]:
    def make(action: str = "cluster.create", name: str = "Alpha", **fields: Any) -> TimelineEntry:
        defaults: dict[str, Any] = {
            "organization": workspace.organization,
            "workspace": workspace,
            "source": "user",
            "target_uuid": uuid4(),
            "at": NOON,
        }
        return TimelineEntry.objects.create(
            action=action, target_name=name, **{**defaults, **fields}
        )

    return make


Entry = Callable[..., TimelineEntry]


def names(browser: Client, url: str, **filters: str) -> list[str]:
    return [sentence.what for sentence in browser.get(url, filters).context["sentences"]]


def test_an_entry_reads_as_a_sentence_with_what_changed(
    workspace: Workspace, entry: Entry, member: Member, signed_in: SignedIn
) -> None:
    ada = member("ADMIN", workspace)
    User.objects.filter(pk=ada.pk).update(first_name="Ada", last_name="Lovelace")
    entry("cluster.scale", actor=ada, before={"nodes": 2, "x": 1}, after={"nodes": 4, "x": 1})

    page = signed_in(ada).get(f"/w/{workspace.uuid}/timeline/")

    [sentence] = page.context["sentences"]
    [change] = sentence.changes
    assert (sentence.who, sentence.did, sentence.what) == (
        "Ada Lovelace",
        "scaled cluster",
        "Alpha",
    )
    assert (change.field, change.before, change.after) == ("nodes", "2", "4")
    assert b"<del>2</del>" in page.content
    assert b"<ins>4</ins>" in page.content


@pytest.mark.parametrize(
    ("action", "words"),
    [
        ("cluster.create", "created cluster"),
        ("cluster.retry", "retried cluster"),
        ("job.cancel", "cancelled job"),
        ("cloud_configuration.remove", "removed cloud configuration"),
        ("member.change", "changed the role of"),
        ("cluster.pause", "paused cluster"),
    ],
)
def test_actions_read_as_past_tense(action: str, words: str) -> None:
    assert action_in_past(action) == words


def test_filters_narrow_and_join(
    workspace: Workspace, entry: Entry, member: Member, signed_in: SignedIn
) -> None:
    ada, ben = member("ADMIN", workspace), member("MEMBER", workspace)
    entry("cluster.create", "Alpha", actor=ada)
    entry("cluster.remove", "Alpha", actor=ben, at=NOON + timedelta(days=1))
    entry("job.create", "Nightly", actor=ben, at=NOON + timedelta(days=2))
    entry("cluster.pause", "Beta", actor=None, at=NOON + timedelta(days=3))
    browser, url = signed_in(member("VIEWER", workspace)), f"/w/{workspace.uuid}/timeline/"

    assert names(browser, url) == ["Beta", "Nightly", "Alpha", "Alpha"]
    assert names(browser, url, actor=str(ben.uuid)) == ["Nightly", "Alpha"]
    assert names(browser, url, actor="platform") == ["Beta"]
    assert names(browser, url, action="job.create") == ["Nightly"]
    assert names(browser, url, q="alp") == ["Alpha", "Alpha"]
    assert names(browser, url, since="2026-11-21", until="2026-11-22") == ["Nightly", "Alpha"]
    assert names(browser, url, actor=str(ben.uuid), q="alp") == ["Alpha"]


def test_the_timeline_of_one_thing(
    workspace: Workspace,
    entry: Entry,
    cluster: Callable[..., Cluster],
    member: Member,
    signed_in: SignedIn,
) -> None:
    alpha = cluster("Alpha", state="RUNNING")
    entry("cluster.create", "Alpha", target_uuid=alpha.uuid)
    entry("cluster.create", "Beta")
    browser = signed_in(member("VIEWER", workspace))

    page = browser.get(f"/w/{workspace.uuid}/timeline/", {"target": str(alpha.uuid)})

    assert [sentence.what for sentence in page.context["sentences"]] == ["Alpha"]
    assert b"Timeline of Alpha" in page.content


@pytest.mark.parametrize(
    "filters",
    [
        {"since": "yesterday"},
        {"since": "2026-11-21", "until": "2026-11-20"},
        {"actor": "nobody"},
        {"action": "cluster.explode"},
        {"target": "x"},
    ],
)
def test_filters_that_can_not_be_read_are_422(
    filters: dict[str, str],
    workspace: Workspace,
    entry: Entry,
    member: Member,
    signed_in: SignedIn,
) -> None:
    entry()

    response = signed_in(member("VIEWER", workspace)).get(f"/w/{workspace.uuid}/timeline/", filters)

    assert response.status_code == 422
    assert response.context["sentences"] == []


def test_another_workspaces_entries_are_not_shown(
    workspace: Workspace, entry: Entry, member: Member, signed_in: SignedIn
) -> None:
    """K14: not by the id of a thing either."""
    other = Workspace.objects.create(
        organization=workspace.organization,
        cloud_configuration=workspace.cloud_configuration,
        name="Other",
        region="here",
    )
    foreign = entry(workspace=other, name="Secret")
    browser, url = signed_in(member("ADMIN", workspace)), f"/w/{workspace.uuid}/timeline/"

    page = browser.get(url, {"target": str(foreign.target_uuid)})

    assert names(browser, url) == []
    assert b"Secret" not in page.content


def test_managers_see_everything_of_the_organization(
    workspace: Workspace, entry: Entry, member: Member, signed_in: SignedIn
) -> None:
    entry(name="Inside")
    entry("cloud_configuration.create", "Here", workspace=None)
    stranger = Organization.objects.create(name="Strangers")
    entry(name="Foreign", organization=stranger, workspace=None)

    shown = names(signed_in(member("ADMIN")), f"/o/{workspace.organization.uuid}/timeline/")

    assert sorted(shown) == ["Here", "Inside"]


def test_pages_of_25_keep_the_filters(
    workspace: Workspace, entry: Entry, member: Member, signed_in: SignedIn
) -> None:
    for number in range(30):
        entry(name=f"Alpha {number}")
    browser, url = signed_in(member("VIEWER", workspace)), f"/w/{workspace.uuid}/timeline/"

    first, second = browser.get(url, {"q": "alpha"}), browser.get(url, {"q": "alpha", "page": "2"})

    assert len(first.context["sentences"]) == 25
    assert len(second.context["sentences"]) == 5
    assert b"?q=alpha&amp;page=2" in first.content


def test_queries_do_not_grow_with_entries(
    workspace: Workspace, entry: Entry, member: Member, signed_in: SignedIn
) -> None:
    browser = signed_in(member("OWNER"))
    url = f"/o/{workspace.organization.uuid}/timeline/"
    entry(actor=member("ADMIN", workspace))
    browser.get(url)

    with CaptureQueriesContext(connection) as few:
        browser.get(url)
    for _ in range(10):
        entry(actor=member("MEMBER", workspace))
    with CaptureQueriesContext(connection) as many:
        browser.get(url)

    assert len(few) == len(many)


def test_a_name_is_text_and_no_markup(
    workspace: Workspace, entry: Entry, member: Member, signed_in: SignedIn
) -> None:
    entry(name="<script>alert(1)</script>", after={"a": "<b>"})

    page = signed_in(member("VIEWER", workspace)).get(f"/w/{workspace.uuid}/timeline/")

    assert b"<script>alert" not in page.content
    assert b"<ins><b>" not in page.content


def test_invited_addresses_are_for_those_who_invite(
    workspace: Workspace, entry: Entry, member: Member, signed_in: SignedIn
) -> None:
    entry("invitation.create", "grace@example.org")
    url = f"/w/{workspace.uuid}/timeline/"

    assert names(signed_in(member("ADMIN", workspace)), url) == ["grace@example.org"]
    assert names(signed_in(member("VIEWER", workspace)), url) == []
