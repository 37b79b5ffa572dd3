"""Prove that a freshly installed runtime works, and mark it as ready.

``<runtime>/bin/python describe.py <marker file> <bodo or jupyterlab>``
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

# Importing bodo is what breaks data frames when pandas is too new for it.
MODULES = {
    "bodo": ("ipyparallel", "ipykernel", "bodo"),
    "jupyterlab": ("ipykernel", "jupyterlab.labapp"),
}


def main(marker: Path, kind: str) -> None:
    for name in MODULES[kind]:
        import_module(name)
    if kind == "bodo" and len(import_module("pandas").DataFrame({"a": [1, 2]})) != 2:
        raise SystemExit("pandas does not work in this runtime")
    facts = {
        kind: version(kind),
        "base_python": str(getattr(sys, "_base_executable", sys.executable)),
        "minor": f"{sys.version_info.major}.{sys.version_info.minor}",
    }
    draft = marker.with_name(marker.name + ".draft")
    draft.write_text(json.dumps(facts))
    draft.replace(marker)
    sys.stdout.write(f"Installed {kind} {facts[kind]}\n")


main(Path(sys.argv[1]), sys.argv[2])
