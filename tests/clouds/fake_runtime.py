"""A runtime without Bodo: its mpiexec starts ranks as plain processes of this machine.

Enough for everything about commands that is not MPI itself, in milliseconds.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from workspaces.clouds.local.runtimes import LAB_VERSION

VERSION = "2000.1"
MPIEXEC = """#!{python}
import subprocess, sys
words, options = sys.argv[1:], {{}}
while words and words[0].startswith("-"):
    name = words.pop(0)
    options[name] = words.pop(0)
def opened(kind, rank):
    return open(options[f"-{{kind}}file-pattern"].replace("%r", str(rank)), "r+b", buffering=0)
family = [
    subprocess.Popen(words, stdout=opened("out", rank), stderr=opened("err", rank))
    for rank in range(int(options["-n"]))
]
sys.exit(max(rank.wait() for rank in family))
"""
# JupyterLab as its driver sees it: it listens on the socket that it was given, and answers
# whoever has the token.
LAB = """#!{python}
import http.server, os, socketserver
wanted = "token " + os.environ["JUPYTER_TOKEN"]
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.headers["Authorization"] == wanted else 403)
        self.end_headers()
    def log_message(self, *words):
        pass
folder, name = os.path.split(os.environ["BODO_LAB_SOCKET"])
os.chdir(folder)  # the whole path may be too long for an address
socketserver.ThreadingUnixStreamServer(name, Answer).serve_forever()
"""


def install(state: Path) -> None:
    folder = _folder(state, VERSION)
    mpiexec = folder / "bin" / "mpiexec"
    mpiexec.write_text(MPIEXEC.format(python=sys.executable))
    mpiexec.chmod(0o700)
    _mark(folder, "bodo", VERSION)
    install_lab(state)


def install_lab(state: Path) -> None:
    """So that no workspace of a test has the real one installed, which takes many seconds."""
    _mark(_folder(state, f"jupyterlab-{LAB_VERSION}"), "jupyterlab", LAB_VERSION)


def install_answering_lab(state: Path) -> None:
    """Servers come up, within a tenth of a second."""
    folder = _folder(state, f"jupyterlab-{LAB_VERSION}")
    python = folder / "bin" / "python"
    python.unlink()
    python.write_text(LAB.format(python=sys.executable))
    python.chmod(0o700)
    _mark(folder, "jupyterlab", LAB_VERSION)


def _folder(state: Path, name: str) -> Path:
    minor = f"{sys.version_info.major}{sys.version_info.minor}"
    folder = state / "runtimes" / f"{name}-py{minor}"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(sys.executable)
    return folder


def _mark(folder: Path, kind: str, version: str) -> None:
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    facts = {kind: version, "base_python": sys.executable, "minor": minor}
    draft = folder / "runtime.json.draft"  # a reader never sees half of it
    draft.write_text(json.dumps(facts))
    draft.replace(folder / "runtime.json")
