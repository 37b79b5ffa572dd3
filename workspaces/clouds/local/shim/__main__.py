"""``python -I -S <this file> <run dir>``: the process that looks after one run.

Started by path without site-packages, so that it needs nothing but the standard library and
starts in a few milliseconds.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[4]))

from workspaces.clouds.local.shim.start import main

main(Path(sys.argv[1]))
