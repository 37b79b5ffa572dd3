"""Settings of a person's JupyterLab; what differs between servers comes by the environment.

``BODO_LAB_SOCKET``: where it listens. ``BODO_SHARED``: the workspace's files, what the file
browser shows (F029). ``JUPYTER_TOKEN``: asked of every request.
"""

from __future__ import annotations

import os
import shutil
from importlib import import_module
from pathlib import Path

LONGEST_ADDRESS = 107  # of a unix socket, in bytes


def bindable(path: str) -> str:
    """A name of the same file that is short enough; the folder stays open for it."""
    if len(os.fsencode(path)) <= LONGEST_ADDRESS:
        return path
    folder = os.open(Path(path).parent, os.O_PATH | os.O_DIRECTORY)
    return f"/proc/self/fd/{folder}/{Path(path).name}"


# Only there in JupyterLab's environment.
config = import_module("traitlets.config").get_config()

# What somebody installed for everybody on this machine, kernels and extensions, belongs to no
# workspace: nobody here knows what it would run, or as what it would call itself.
import_module("jupyter_core.paths").SYSTEM_JUPYTER_PATH.clear()

# Taken out of the environment, so that no cell prints it into a notebook that others read.
config.IdentityProvider.token = os.environ.pop("JUPYTER_TOKEN")

server = config.ServerApp
server.sock = bindable(os.environ.pop("BODO_LAB_SOCKET"))
server.sock_mode = "0600"
server.root_dir = os.environ["BODO_SHARED"]
server.open_browser = False
server.allow_root = True  # in a container there may be no other user
# Whoever comes through the proxy names the host that the browser asked for.
server.allow_remote_access = True
server.log_level = "WARN"
# Not a login shell: that one would forget our PATH.
server.terminado_settings = {"shell_command": [shutil.which("bash") or "/bin/sh"]}

config.FileContentsManager.delete_to_trash = False  # a bin in one person's home helps nobody else
# What JupyterLab would fetch from elsewhere, or install into everybody's runtime.
config.LabApp.news_url = None
config.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
config.LabApp.extension_manager = "readonly"
# Looking for language servers takes a tenth of a second and there are none.
config.LanguageServerManager.autodetect = False
