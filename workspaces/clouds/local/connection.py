"""Verify your Connection (F213): the documented three lines, typed for the user."""

from __future__ import annotations

import subprocess
from uuid import uuid4

from workspaces.clouds.base import Check, ClusterSpec
from workspaces.clouds.local.environment import activate_path, markers
from workspaces.clouds.local.layout import Layout

SECONDS = 10


def check(layout: Layout, spec: ClusterSpec, hostfile: str, number: int) -> Check | None:
    """Each takes about 0.1 s; one that hangs is ended after some seconds and told as not ok."""
    launch = ["mpiexec", "-n", str(spec.core_count), "-f", hostfile]
    commands = [["ls", "-la", hostfile], [*launch, "hostname"], [*launch, "python", "--version"]]
    if number >= len(commands):
        return None
    command = commands[number]
    try:
        output, code = _run(layout, spec, command)
    except subprocess.TimeoutExpired:
        return Check(" ".join(command), ok=False, detail=f"No answer in {SECONDS} s.")
    return Check(" ".join(command), code == 0 and _is_whole(spec, number, output), output)


def _run(layout: Layout, spec: ClusterSpec, command: list[str]) -> tuple[str, int]:
    """Through the file that people source: what is verified is what they will do."""
    script = '. "$0" && exec "$@"'
    done = subprocess.run(
        ["/bin/sh", "-c", script, str(activate_path(layout, spec.uuid)), *command],
        cwd=layout.shared(spec.workspace.uuid),
        env=markers(layout, spec.workspace.uuid, spec.uuid, f"verify-{uuid4()}")
        | {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=SECONDS,
        start_new_session=True,
        check=False,
    )
    return done.stdout.decode(errors="replace").strip(), done.returncode


def _is_whole(spec: ClusterSpec, number: int, output: str) -> bool:
    """mpiexec must answer once per core."""
    return number == 0 or len(output.splitlines()) == spec.core_count
