"""``python -m tests.clouds.aws.server --port 0``: the strict AWS server, on 127.0.0.1 only.

Prints one line of JSON with its port once it answers. ``--settings`` takes JSON over the defaults
of ``world.Settings``; ``--run-nodes`` runs the user data of what is launched (see ``nodes``).
With ``--stop-with-stdin`` it ends when its standard input does, so that it never outlives a test
run that was killed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import BaseWSGIServer, make_server

from tests.clouds.aws.application import Application
from tests.clouds.aws.world import Settings, world


class Handler(MotoRequestHandler):
    def log(self, *_words: Any) -> None:
        """Silence; GET /_calls tells what was called."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--settings", type=json.loads, default={})
    parser.add_argument("--run-nodes", action="store_true")
    parser.add_argument("--stop-with-stdin", action="store_true")
    asked = parser.parse_args()
    server = make_server(
        "127.0.0.1", asked.port, Application(), threaded=True, request_handler=Handler
    )
    world.endpoint = f"http://127.0.0.1:{server.server_port}"
    initial = replace(Settings(run_nodes=asked.run_nodes), **asked.settings)
    world.settings = world.initial_settings = initial
    world.nodes_folder = Path(tempfile.mkdtemp(prefix="strict-aws-"))
    try:
        _serve(server, stop_with_stdin=asked.stop_with_stdin)
    except (KeyboardInterrupt, SystemExit):
        # Taking the interpreter down in good order takes longer than all the rest.
        os._exit(0)


def _serve(server: BaseWSGIServer, *, stop_with_stdin: bool) -> None:
    """Until a signal, which may come as soon as the port is told; leaves nothing behind."""
    try:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        if stop_with_stdin:
            threading.Thread(target=_end_with_stdin, daemon=True).start()
        sys.stdout.write(json.dumps({"port": server.server_port}) + "\n")
        sys.stdout.flush()
        server.serve_forever()
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        world.reset()
        shutil.rmtree(world.nodes_folder, ignore_errors=True)


def _end_with_stdin() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
