"""Prove that a freshly installed runtime works, and mark it as ready.

``<runtime>/bin/python describe.py <marker file>``
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path


def main(marker: Path) -> None:
    import bodo  # noqa: F401 - importing it is what breaks with a pandas that is too new
    import ipyparallel  # noqa: F401
    import pandas as pd

    if len(pd.DataFrame({"a": [1, 2]})) != 2:
        raise SystemExit("pandas does not work in this runtime")
    facts = {
        "bodo": version("bodo"),
        "base_python": sys._base_executable,  # type: ignore[attr-defined] # in every CPython
        "minor": f"{sys.version_info.major}.{sys.version_info.minor}",
    }
    draft = marker.with_name(marker.name + ".draft")
    draft.write_text(json.dumps(facts))
    draft.replace(marker)
    print(f"Installed Bodo {facts['bodo']}")


main(Path(sys.argv[1]))
