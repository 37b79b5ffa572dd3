"""The key pair that notebooks reach a cluster's nodes with (F141, F145)."""

from __future__ import annotations

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from clusters.models import Cluster
from workspaces.secrets import seal, unseal


def node_key_context(cluster: Cluster) -> str:
    return f"clusters.cluster.sealed_node_key:{cluster.uuid}"


def node_key(cluster: Cluster) -> str:
    """The private half in OpenSSH's format; the pair is made the first time, by whoever is first.

    ``cluster`` has the public half afterwards.
    """
    if not cluster.sealed_node_key:
        private, public = _new_pair(f"bodoweb-{cluster.uuid}")
        Cluster.objects.filter(pk=cluster.pk, sealed_node_key="").update(
            sealed_node_key=seal(private, context=node_key_context(cluster)),
            node_public_key=public,
        )
        cluster.refresh_from_db(fields=["sealed_node_key", "node_public_key"])
    return unseal(cluster.sealed_node_key, context=node_key_context(cluster))


def _new_pair(comment: str) -> tuple[str, str]:
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return private.decode(), f"{public.decode()} {comment}"
