"""Check of a cluster's nodes (F116, F149): every core answers, and each node by its own name.

``python hosts.py <nodes> <cores per node> <own names: 0 or 1>``, with Hydra's variables set.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter


def problem_of(names: Counter[str], nodes: int, cores: int, *, has_own_names: bool) -> str:
    """Empty when all is as it should be."""
    total = sum(names.values())
    if total != nodes * cores:
        return f"{total} of {nodes * cores} cores answered"
    if has_own_names and len(names) != nodes:
        return f"{len(names)} different host names answered instead of {nodes}"
    if has_own_names and set(names.values()) != {cores}:
        return f"the cores are spread unevenly over the nodes: {dict(names)}"
    return ""


def main() -> None:
    nodes, cores, has_own_names = (int(word) for word in sys.argv[1:4])
    done = subprocess.run(
        ["mpiexec", "-n", str(nodes * cores), "hostname"],  # noqa: S607 - PATH is the cluster's
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    names = Counter(done.stdout.split())
    problem = problem_of(names, nodes, cores, has_own_names=bool(has_own_names))
    if done.returncode or problem:
        sys.stdout.write(done.stderr.strip()[-2000:] + "\n")
        raise SystemExit(f"Not all nodes answered: {problem or 'mpiexec failed'}")
    sys.stdout.write(f"Started node {nodes} of {nodes}\n")


if __name__ == "__main__":
    main()
