"""Put back what was installed on a cluster, before its engines start on fresh nodes.

``python -m bodo_magics.restore <record file> <JSON list of lines as "pip install six">``

A package that can not be had now keeps its line with the problem and is tried again at the next
start; it never keeps the cluster from starting, so the exit code is 0.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from . import record
from .record import Install

ALL_SECONDS = 900
NOT_YET = "it was not tried yet"
# A line that was offline is told soon, not after minutes of trying.
_PIP = ("--retries", "1", "--timeout", "15", "--no-input", "--disable-pip-version-check")


def main(path: Path, lines: list[str]) -> None:
    known = record.read(path)
    installs = [Install(line, NOT_YET) for line in lines] if known is None else known
    record.write(path, installs)
    deadline = time.monotonic() + ALL_SECONDS
    for number, install in enumerate(installs):
        if install.problem:
            sys.stdout.write(f"Putting back {', '.join(install.names)}\n")
            sys.stdout.flush()
            problem = put_back(install, deadline - time.monotonic())
            installs[number] = replace(install, problem=problem)
            record.write(path, installs)
    failed = [install for install in installs if install.problem]
    sys.stdout.write(f"Put back {len(installs) - len(failed)} of {len(installs)}\n")


def put_back(install: Install, seconds: float) -> str:
    """Empty when it worked, else the tool's last words."""
    if seconds <= 0:
        return "there was no time left for it"
    is_pip = install.tool == "pip"
    argv = [sys.executable, "-m", "pip"] if is_pip else ["conda"]
    options = _PIP if is_pip else ("--yes",)
    try:
        done = subprocess.run(
            [*argv, "install", *install.words, *options],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=seconds,
        )
    except FileNotFoundError:
        return f"there is no {install.tool} in this environment"
    except subprocess.TimeoutExpired:
        return "it took too long"
    sys.stdout.write(done.stdout)
    errors = [line for line in done.stdout.splitlines() if line.startswith("ERROR: ")]
    last = (errors or done.stdout.split("\n")[-2:-1] or [""])[0]
    told = last.replace("ERROR: ", "").strip().rstrip(".")[:200]
    return (told or f"exit code {done.returncode}") if done.returncode else ""


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
