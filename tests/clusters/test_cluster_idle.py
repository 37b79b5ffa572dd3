"""Idle timers: the moment, the mail before and after, the snooze, and what stops them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core import mail
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from clusters.idle import next_automatic_act
from clusters.leases import lease_take
from clusters.models import Cluster
from clusters.services import cluster_snooze, idle_act, idle_warn
from clusters.tasks import run_idle_timers
from tests.fake_cloud import FakeCloud
from workspaces.models import Operation, Workspace
from workspaces.operations import Actor

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def idle(cluster: Callable[..., Cluster], cloud: FakeCloud, user: Callable[..., User]) -> Cluster:
    made = cluster(
        "Alpha",
        state="RUNNING",
        created_by=user("ada@example.org"),
        auto_pause_minutes=60,
        auto_stop_minutes=120,
        auto_shutdown_minutes=240,
        last_activity_at=NOON,
    )
    cloud.clusters.add(made.uuid)
    return made


@pytest.mark.parametrize(
    ("state", "verb", "minutes"),
    [("RUNNING", "pause", 60), ("PAUSED", "stop", 120), ("STOPPED", "remove", 240)],
)
def test_each_state_has_its_next_act(idle: Cluster, state: str, verb: str, minutes: int) -> None:
    """F105, F106, K3."""
    idle.state = state

    act = next_automatic_act(idle, is_held=False)

    assert act is not None
    assert (act.verb, act.at) == (verb, NOON + timedelta(minutes=minutes))


def test_never_means_never(idle: Cluster) -> None:
    """F109."""
    idle.auto_pause_minutes = idle.auto_stop_minutes = idle.auto_shutdown_minutes = None

    assert next_automatic_act(idle, is_held=False) is None


def test_used_cluster_has_no_next_act(idle: Cluster) -> None:
    """F108."""
    assert next_automatic_act(idle, is_held=True) is None


def test_pause_comes_at_its_moment_and_not_before(idle: Cluster) -> None:
    """F105."""
    at = NOON + timedelta(minutes=60)

    before = idle_act(cluster=idle, now=at - timedelta(seconds=1))
    then = idle_act(cluster=idle, now=at)

    idle.refresh_from_db()
    assert (before, then) == (None, "pause")
    assert idle.state == "PAUSING"
    assert Operation.objects.get().source == "timer"
    assert "Idle since 2026-03-01 12:00 UTC" in Operation.objects.get().reason


def test_shutdown_removes(idle: Cluster) -> None:
    """F107."""
    Cluster.objects.update(state="STOPPED")
    idle.refresh_from_db()

    done = idle_act(cluster=idle, now=NOON + timedelta(minutes=240))

    idle.refresh_from_db()
    assert done == "remove"
    assert idle.removal_requested_at is not None


def test_lease_taken_a_moment_ago_wins(idle: Cluster) -> None:
    """F108: the row that the timer looked at is old by then."""
    now = NOON + timedelta(hours=1)
    until = now + timedelta(hours=1)
    lease_take(cluster=idle, holder_kind="job", holder_uuid=uuid4(), now=now, expires_at=until)

    assert idle_act(cluster=idle, now=now) is None


def test_mail_comes_once_before_and_once_after(idle: Cluster) -> None:
    at = NOON + timedelta(minutes=60)

    too_early = idle_warn(cluster=idle, now=at - timedelta(minutes=11))
    warned = [idle_warn(cluster=idle, now=at - timedelta(minutes=m)) for m in (10, 5, 1)]
    idle_act(cluster=idle, now=at)

    assert too_early is False
    assert warned == [True, False, False]
    assert [message.subject for message in mail.outbox] == [
        "Alpha will pause at 13:00 UTC",
        "Alpha is being paused",
    ]
    assert str(idle.uuid) in mail.outbox[0].body
    assert mail.outbox[0].to == ["ada@example.org"]


@pytest.mark.parametrize(
    ("setting", "minutes_before", "warns"),
    [(20, 15, True), (5, 6, False), (5, 4, True), (30, 29, False), (0, 0.5, False)],
)
def test_warning_comes_as_early_as_the_installation_says(
    idle: Cluster, settings: Any, setting: int, minutes_before: float, warns: bool
) -> None:
    """A timer of an hour is not twice as long as half an hour."""
    settings.IDLE_WARNING_MINUTES = setting

    warned = idle_warn(cluster=idle, now=NOON + timedelta(minutes=60 - minutes_before))

    assert warned is warns
    assert len(mail.outbox) == warns


def test_mail_server_that_is_away_keeps_no_other_cluster(
    idle: Cluster, cluster: Callable[..., Cluster], cloud: FakeCloud, settings: Any
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    other = cluster("A & B", state="RUNNING", auto_pause_minutes=60, created_by=idle.created_by)
    cloud.clusters.add(other.uuid)
    Cluster.objects.update(last_activity_at=timezone.now() - timedelta(hours=2))

    run_idle_timers()

    assert set(Cluster.objects.values_list("state", flat=True)) == {"PAUSING"}


def test_subject_is_plain_text(idle: Cluster) -> None:
    idle.name = "A & B"

    idle_warn(cluster=idle, now=NOON + timedelta(minutes=55))

    assert mail.outbox[0].subject == "A & B will pause at 13:00 UTC"


def test_snooze_moves_the_moment_and_warns_again(idle: Cluster) -> None:
    at = NOON + timedelta(minutes=60)
    idle_warn(cluster=idle, now=at - timedelta(minutes=5))

    until = cluster_snooze(cluster=idle, now=at - timedelta(minutes=5), actor=Actor())
    idle.refresh_from_db()

    assert idle_act(cluster=idle, now=at) is None
    assert idle_warn(cluster=idle, now=until - timedelta(minutes=5)) is True
    assert idle_act(cluster=idle, now=until) == "pause"


def test_duty_acts_on_all_and_twice_changes_nothing(idle: Cluster) -> None:
    Cluster.objects.update(last_activity_at=timezone.now() - timedelta(hours=2))

    run_idle_timers()
    run_idle_timers()

    assert Operation.objects.filter(kind="cluster.pause").count() == 1


def test_timers_out_of_order_are_refused_by_the_database(idle: Cluster) -> None:
    """K3."""
    with pytest.raises(IntegrityError), transaction.atomic():
        Cluster.objects.update(auto_stop_minutes=30)


@pytest.fixture
def person(
    member: Callable[..., User], signed_in: Callable[[User], Client], workspace: Workspace
) -> Client:
    return signed_in(member("MEMBER", workspace))


def _form(**changes: object) -> dict[str, object]:
    return {
        "uuid": uuid4(),
        "name": "Beta",
        "instance_type": "c5.large",
        "node_count": 1,
        "bodo_version": "2026.10",
        "auto_pause": 2,
        "auto_pause_unit": "hours",
        "auto_shutdown_unit": "never",
        **changes,
    }


def test_form_takes_timers_in_units(person: Client, workspace: Workspace) -> None:
    """F105, F109, V24."""
    response = person.post(reverse("clusters:create", args=[workspace.uuid]), _form())

    made = Cluster.objects.get(name="Beta")
    assert response.status_code == 302
    assert (made.auto_pause_minutes, made.auto_shutdown_minutes) == (120, None)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"auto_stop": 1, "auto_stop_unit": "hours"}, "must not come before Cluster auto pause"),
        ({"auto_pause": ""}, "Enter a number, or choose Never."),
        ({"auto_pause": 0}, "greater than or equal to 1"),
        ({"ssh_public_key": "not a key"}, "not an OpenSSH public key"),
        ({"ssh_public_key": "-----BEGIN OPENSSH PRIVATE KEY-----"}, "This is a private key"),
        ({"tags": "no pair"}, "is not a key=value"),
        ({"tags": "a=1\na=2"}, "is there twice"),
    ],
)
def test_bad_timers_keys_and_tags_are_told(
    person: Client, workspace: Workspace, changes: dict[str, object], sentence: str
) -> None:
    """F110, K3."""
    url = reverse("clusters:create", args=[workspace.uuid])

    response = person.post(url, _form(**changes))

    assert response.status_code == 422
    assert sentence in response.content.decode()


def test_page_shows_the_moment_before_it_comes(
    person: Client, idle: Cluster, workspace: Workspace
) -> None:
    page = person.get(reverse("clusters:detail", args=[workspace.uuid, idle.uuid]))

    text = " ".join(page.content.decode().split())
    assert "Idle since 12:00 UTC: pauses by itself" in text
    assert "1 Mar, 13:00 UTC" in text
    assert "SNOOZE" in text
