"""What attaches a notebook server to a cluster: a kernel of its own, and a key to its nodes.

The kernel runs in the cluster's environment but is the server's: a pause of the cluster leaves it
alone (its variables stay), so it does not carry the cluster's marker. Only the removal of the
cluster ends it, since then its environment goes.
"""

from __future__ import annotations

import os
from pathlib import Path
from uuid import UUID

from workspaces.clouds.base import CloudError, ClusterSpec
from workspaces.clouds.local import lab, processes
from workspaces.clouds.local.environment import (
    NODEKIT,
    Runtime,
    cluster_environment,
    kernel_variables,
)
from workspaces.clouds.local.layout import Layout, delete_tree, open_folder
from workspaces.clouds.local.reservations import Reservations
from workspaces.clouds.local.runtimes import Runtimes
from workspaces.clouds.local.servers import Servers
from workspaces.clouds.servers import NotebookSpec

END_SECONDS = 1.0


class Kernels:
    def __init__(
        self, layout: Layout, servers: Servers, reservations: Reservations, runtimes: Runtimes
    ) -> None:
        self._layout = layout
        self._servers = servers
        self._reservations = reservations
        self._runtimes = runtimes

    def attach(self, spec: NotebookSpec, cluster: ClusterSpec, *, name: str, key: str) -> str:
        """Answers the kernel's name."""
        server = self._servers.find(spec.uuid)
        if server is None:
            raise CloudError("NotebookNotReady", "The server of this notebook is not there yet.")
        self._servers.while_wanted(server, lambda: self._write(spec, cluster, name=name, key=key))
        return kernel_name(cluster.uuid)

    def _write(self, spec: NotebookSpec, cluster: ClusterSpec, *, name: str, key: str) -> None:
        """Under the lock, so that the removal of either can not come in between."""
        reservation = self._reservations.find(cluster.uuid)
        runtime = self._runtimes.find(cluster.bodo_version)
        if reservation is None or reservation.is_removing or runtime is None:
            raise CloudError("ClusterNotReady", "The cluster is not there. Choose another one.")
        if cluster.public_key:
            authorized = self._layout.cluster(cluster.uuid) / "authorized_keys"
            write_private(authorized, cluster.public_key)
        try:
            if key:
                write_private(self._key(spec.uuid, cluster.uuid), key)
            lab.write_kernelspec(
                self._kernel(spec.uuid, cluster.uuid),
                f"{name} (Bodo {cluster.bodo_version})",
                self._layout.cluster(cluster.uuid) / "env",
                variables=self._variables(spec, cluster, runtime, name),
                metadata={"bodo_cluster": str(cluster.uuid)},
            )
        except (FileExistsError, NotADirectoryError) as error:  # its owner put a file there
            raise CloudError(
                "NotebookFiles",
                f"{error.filename} of this notebook's server is no folder. Move it away and "
                "attach again.",
            ) from None

    def _variables(
        self, spec: NotebookSpec, cluster: ClusterSpec, runtime: Runtime, name: str
    ) -> dict[str, str]:
        of_cluster = cluster_environment(self._layout, cluster, runtime)
        folder = self._layout.notebook(spec.uuid)
        return {
            **of_cluster,
            **kernel_variables(self._layout, cluster, name=name),
            "PATH": f"{NODEKIT / 'terminal'}:{of_cluster['PATH']}",
            "HOME": str(folder / "home"),
            "TMPDIR": str(folder / "tmp"),
        }

    def detach(self, notebook: UUID, cluster: UUID) -> None:
        _delete(self._kernel(notebook, cluster))
        _delete(self._key(notebook, cluster))

    def forget_cluster(self, workspace: UUID, cluster: UUID) -> None:
        """It is being removed: detach it everywhere and end the kernels that ran in it."""
        for server in self._servers.of_workspace(workspace):
            self.detach(UUID(server.uuid), cluster)
        processes.sweep("BODO_CLUSTER_UUID", str(cluster), seconds=END_SECONDS)

    def _kernel(self, notebook: UUID, cluster: UUID) -> Path:
        return self._layout.notebook(notebook) / "data" / "kernels" / kernel_name(cluster)

    def _key(self, notebook: UUID, cluster: UUID) -> Path:
        return self._layout.notebook(notebook) / "home" / "cluster_ssh_keys" / f"id_rsa-{cluster}"


def kernel_name(cluster: UUID) -> str:
    return f"bodo-{cluster}"


def _delete(path: Path) -> None:
    """Whatever the server's owner made of it or of its folder: a file, a link, something shut.

    Raises CloudError while it stays, since it may be a key.
    """
    try:
        for folder in (path.parent.parent, path.parent):
            open_folder(folder)
        delete_tree(path)
        path.unlink(missing_ok=True)
    except NotADirectoryError:  # its folder is a file now: nothing lies in it
        return
    except OSError as error:
        words = f"{path.name} of a notebook's server can not be removed: {error.strerror}."
        raise CloudError("NotebookFiles", words, retryable=True) from error


def write_private(path: Path, text: str) -> None:
    """Whole or not at all, and never readable by others (F141)."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text if text.endswith("\n") else f"{text}\n")
    draft.replace(path)
