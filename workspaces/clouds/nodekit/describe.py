"""Prove that a freshly installed runtime works, and mark it as ready.

``<runtime>/bin/python describe.py <marker file>``
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path


def main(marker: Path) -> None:
    # Importing bodo is what breaks data frames when pandas is too new for it.
    for name in ("ipyparallel", "ipykernel", "bodo"):
        import_module(name)
    if len(import_module("pandas").DataFrame({"a": [1, 2]})) != 2:
        raise SystemExit("pandas does not work in this runtime")
    facts = {
        "bodo": version("bodo"),
        "base_python": str(getattr(sys, "_base_executable", sys.executable)),
        "minor": f"{sys.version_info.major}.{sys.version_info.minor}",
    }
    draft = marker.with_name(marker.name + ".draft")
    draft.write_text(json.dumps(facts))
    draft.replace(marker)
    sys.stdout.write(f"Installed Bodo {facts['bodo']}\n")


main(Path(sys.argv[1]))
