"""All writes to clusters, their leases and their meter."""

from clusters.services.attachments import (
    attachable_clusters,
    attachments_end,
    attachments_let_go,
    attachments_renew,
    attachments_settle,
    in_use_sentence,
    notebook_attach,
    notebook_detach,
    why_not_attachable,
)
from clusters.services.creation import (
    Extras,
    IdleTimers,
    cluster_create,
    cluster_mark_failed,
    cluster_mark_lost,
    cluster_mark_ready,
    cluster_mark_starting,
    cluster_record_nodes,
    cluster_retry,
)
from clusters.services.evidence import (
    evidence_record,
    evidence_refresh,
    signs_look,
)
from clusters.services.idle import (
    cluster_snooze,
    idle_act,
    idle_forget_future,
    idle_warn,
)
from clusters.services.lifecycle import (
    cluster_act,
    cluster_edit,
    cluster_mark_returned,
    cluster_mark_settled,
    cluster_reshape,
    cluster_return_to_size,
    cluster_scale,
    cluster_verify,
)
from clusters.services.packages import packages_keep
from clusters.services.removal import (
    cluster_mark_removed,
    cluster_remove,
    cluster_remove_again,
    living_cluster_names,
)
from clusters.services.requests import ClusterRefused, cluster_spec
from clusters.services.usage import usage_close, usage_open

__all__ = [
    "ClusterRefused",
    "Extras",
    "IdleTimers",
    "attachable_clusters",
    "attachments_end",
    "attachments_let_go",
    "attachments_renew",
    "attachments_settle",
    "cluster_act",
    "cluster_create",
    "cluster_edit",
    "cluster_mark_failed",
    "cluster_mark_lost",
    "cluster_mark_ready",
    "cluster_mark_removed",
    "cluster_mark_returned",
    "cluster_mark_settled",
    "cluster_mark_starting",
    "cluster_record_nodes",
    "cluster_remove",
    "cluster_remove_again",
    "cluster_reshape",
    "cluster_retry",
    "cluster_return_to_size",
    "cluster_scale",
    "cluster_snooze",
    "cluster_spec",
    "cluster_verify",
    "evidence_record",
    "evidence_refresh",
    "idle_act",
    "idle_forget_future",
    "idle_warn",
    "in_use_sentence",
    "living_cluster_names",
    "notebook_attach",
    "notebook_detach",
    "packages_keep",
    "signs_look",
    "usage_close",
    "usage_open",
    "why_not_attachable",
]
