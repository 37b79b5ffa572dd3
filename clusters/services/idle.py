"""Acting on idle clusters: warn by mail, act by timer, put it off (F105-F109, K3)."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from clusters.idle import AutomaticAct, next_automatic_act
from clusters.models import Cluster
from clusters.services.evidence import evidence_refresh
from clusters.services.lifecycle import cluster_act
from clusters.services.removal import cluster_remove
from clusters.services.requests import ClusterRefused
from workspaces.models import Operation
from workspaces.operations import Actor, OperationConflict
from workspaces.services import mail_send, timeline_note

SNOOZE = timedelta(hours=1)
TIMER = Actor(source=Operation.Source.TIMER)


@transaction.atomic
def cluster_snooze(*, cluster: Cluster, now: datetime, actor: Actor) -> datetime:
    """Put off what comes by itself by an hour from now; answers until when."""
    until = now + SNOOZE
    Cluster.objects.filter(pk=cluster.pk).update(
        snoozed_until=until, snoozed_by=actor.user, idle_warned_at=None
    )
    timeline_note(
        cluster.workspace, cluster, actor, "cluster.snooze", after={"until": until.isoformat()}
    )
    return until


def idle_forget_future(*, now: datetime) -> None:
    """The clock was set back: what seems yet to come was just now, so that no cluster stays idle
    for as long as that on top.
    """
    rows = Cluster.objects.with_timers()
    rows.filter(last_activity_at__gt=now).update(last_activity_at=now)
    rows.filter(snoozed_until__gt=now + SNOOZE).update(snoozed_until=now + SNOOZE)


def idle_act(*, cluster: Cluster, now: datetime) -> str | None:
    """Do what is due; answers the verb. A RUNNING cluster is looked at once more before, and
    leases are asked again under the row's lock, so work that began a moment ago is not cut off.
    """
    act = _due(cluster, now)
    if act is not None and cluster.state == Cluster.State.RUNNING:
        evidence_refresh(cluster=cluster, now=now)
        act = _due(cluster, now)
    if act is None:
        return None
    reason = f"Idle since {act.idle_since:%Y-%m-%d %H:%M} UTC, {act.minutes} minutes are allowed."
    try:
        if act.verb == "remove":
            done = _remove_unless_held(cluster, now, reason)
        else:
            cluster_act(cluster=cluster, verb=act.verb, actor=TIMER, reason=reason)
            done = True
    except (ClusterRefused, OperationConflict):
        return None
    if done:
        _mail(cluster, act, "idle_done")
    return act.verb if done else None


def _due(cluster: Cluster, now: datetime) -> AutomaticAct | None:
    act = next_automatic_act(cluster, is_held=cluster.holder(now) is not None)
    return act if act is not None and act.at <= now else None


@transaction.atomic
def _remove_unless_held(cluster: Cluster, now: datetime, reason: str) -> bool:
    locked = Cluster.objects.select_for_update().get(pk=cluster.pk)
    if locked.holder(now) is not None:
        return False
    return cluster_remove(cluster=cluster, actor=TIMER, reason=reason) is not None


def idle_warn(*, cluster: Cluster, now: datetime) -> bool:
    """Mail once per idle stretch, some minutes before; a snooze or any use starts anew. A timer
    that is not twice as long as that warns nobody: it would do so all the time.
    """
    before = timedelta(minutes=settings.IDLE_WARNING_MINUTES)
    act = next_automatic_act(cluster, is_held=cluster.holder(now) is not None)
    if act is None or timedelta(minutes=act.minutes) <= 2 * before:
        return False
    if not act.at - before <= now < act.at:
        return False
    first = Cluster.objects.filter(pk=cluster.pk, idle_warned_at=None).update(idle_warned_at=now)
    if first:
        _mail(cluster, act, "idle_warning")
    return bool(first)


def _mail(cluster: Cluster, act: AutomaticAct, name: str) -> None:
    """To whoever made it, if they are still here."""
    person = cluster.created_by
    if person is None or not person.is_active or person.is_locked:
        return
    path = f"/w/{cluster.workspace.uuid}/clusters/{cluster.uuid}/"
    context = {"cluster": cluster, "act": act, "url": f"{settings.PUBLIC_URL}{path}"}
    mail_send(f"clusters/email/{name}", to=person.email, context=context)
