"""Detaching on Local, whatever a server's owner made of the folders: one person's mess must not
keep a cluster from going, nor anybody from being looked at.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from workspaces.clouds.local.kernels import Kernels, kernel_name
from workspaces.clouds.local.layout import Layout, delete_tree
from workspaces.clouds.local.reservations import Reservations
from workspaces.clouds.local.runtimes import Runtimes
from workspaces.clouds.local.servers import Servers

NOTEBOOK, CLUSTER = uuid4(), uuid4()
NOBODY = 65534


class Folders:
    def __init__(self, root: Path) -> None:
        self.layout = Layout(root)
        self.layout.create()
        server = self.layout.notebook(NOTEBOOK)
        self.kernels = server / "data" / "kernels"
        self.keys = server / "home" / "cluster_ssh_keys"
        self.kernel = self.kernels / kernel_name(CLUSTER)
        self.key = self.keys / f"id_rsa-{CLUSTER}"
        self.elsewhere = root / "elsewhere"
        for folder in (self.kernel, self.keys, self.elsewhere):
            folder.mkdir(parents=True)
        (self.kernel / "kernel.json").write_text("{}")
        self.key.write_text("key")
        (self.elsewhere / "kernel.json").write_text("{}")

    def detach(self) -> None:
        runtimes = Runtimes(self.layout, {})
        kernels = Kernels(
            self.layout, Servers(self.layout), Reservations(self.layout, {}), runtimes
        )
        kernels.detach(NOTEBOOK, CLUSTER)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


def _file_for_folder(folders: Folders) -> None:
    for folder in (folders.kernels, folders.keys):
        delete_tree(folder)
        folder.write_text("a file")


def _folder_for_key(folders: Folders) -> None:
    folders.key.unlink()
    (folders.key / "deep").mkdir(parents=True)


def _links(folders: Folders) -> None:
    delete_tree(folders.kernel)
    folders.kernel.symlink_to(folders.elsewhere)
    folders.key.unlink()
    folders.key.symlink_to(folders.elsewhere)


def _nothing(folders: Folders) -> None:
    delete_tree(folders.layout.notebook(NOTEBOOK))


@pytest.mark.parametrize("make_mess", [_file_for_folder, _folder_for_key, _links, _nothing])
def test_whatever_lies_there_goes_and_nothing_else(
    folders: Folders, make_mess: Callable[[Folders], None]
) -> None:
    make_mess(folders)

    folders.detach()
    folders.detach()

    assert not os.path.lexists(folders.kernel)
    assert not os.path.lexists(folders.key)
    assert (folders.elsewhere / "kernel.json").exists()


def test_what_its_owner_shut_is_opened(folders: Folders) -> None:
    """Root may do everything, so it is done as nobody where the tests run as root."""
    (folders.kernel / "deep").mkdir()
    (folders.kernel / "link").symlink_to(folders.elsewhere)
    for folder in (folders.kernel / "deep", folders.kernel, folders.kernels, folders.keys):
        folder.chmod(0)

    left = _as_ordinary_user(folders)

    assert left == 0
    assert not folders.kernel.exists()
    assert not folders.key.exists()


def _as_ordinary_user(folders: Folders) -> int:
    """Exit code of a child that detached."""
    if os.getuid() == 0:
        _give_to_nobody(folders.layout.root)
    child = os.fork()
    if child == 0:
        try:
            if os.getuid() == 0:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            folders.detach()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _give_to_nobody(root: Path) -> None:
    for folder in [root, *root.parents]:
        if folder.stat().st_uid == os.getuid() and folder.name.startswith(
            ("test_", "pytest-", "popen-")
        ):
            folder.chmod(folder.stat().st_mode | 0o011)
    for path in [root, *root.rglob("*")]:
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
