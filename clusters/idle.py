"""When a cluster will pause, stop or go by itself, from leases and activity (K3, F105-F109).

Pure arithmetic: the page shows what the timer will do, from the same function.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from clusters.models import Cluster, ClusterLease, NotebookAttachment

# From which state which timer leads on, nearest first.
_NEXT = {
    Cluster.State.RUNNING: ("pause", "stop", "remove"),
    Cluster.State.PAUSED: ("stop", "remove"),
    Cluster.State.STOPPED: ("remove",),
}
_MINUTES = {
    "pause": "auto_pause_minutes",
    "stop": "auto_stop_minutes",
    "remove": "auto_shutdown_minutes",
}


@dataclass(frozen=True)
class AutomaticAct:
    """``verb`` is pause, stop or remove; ``at`` its moment unless the cluster is used before."""

    verb: str
    at: datetime
    idle_since: datetime
    minutes: int


def next_automatic_act(cluster: Cluster, *, is_held: bool) -> AutomaticAct | None:
    """None while somebody holds it, or when every timer is Never.

    ``cluster.snoozed_until`` moves the moment back; it never brings it forward.
    """
    since = cluster.last_activity_at
    verbs = _NEXT.get(Cluster.State(cluster.state), ())
    if is_held or since is None or cluster.removal_requested_at:
        return None
    acts = []
    for verb in verbs:
        minutes = getattr(cluster, _MINUTES[verb])
        if minutes is not None:
            at = since + timedelta(minutes=minutes)
            at = max(at, cluster.snoozed_until or at)
            acts.append(AutomaticAct(verb, at, since, minutes))
    # Of two at the same moment the earlier verb wins: pause before stop before remove.
    return min(acts, key=lambda act: act.at, default=None)


def with_outlook(clusters: Iterable[Cluster], now: datetime) -> list[Cluster]:
    """The clusters with ``leases_now``, the jobs that have them; ``attachments_now``, the notebooks
    that share them; and ``outlook``, what they will do by themselves. Two queries for all of them.
    """
    rows = list(clusters)
    pks = [row.pk for row in rows]
    held: dict[int, list[ClusterLease]] = {}
    for lease in ClusterLease.objects.held(now).filter(is_exclusive=True, cluster__in=pks):
        held.setdefault(lease.cluster_id, []).append(lease)
    shared: dict[int, list[NotebookAttachment]] = {}
    for attachment in NotebookAttachment.objects.shown().filter(cluster__in=pks):
        shared.setdefault(attachment.cluster_id, []).append(attachment)
    for row in rows:
        row.leases_now = held.get(row.pk, [])  # type: ignore[attr-defined]  # for the template
        row.attachments_now = shared.get(row.pk, [])  # type: ignore[attr-defined]  # for the template
        row.outlook = next_automatic_act(row, is_held=row.pk in held)  # type: ignore[attr-defined]  # for the template
    return rows
