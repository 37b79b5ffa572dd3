"""The last whole count of a workspace's shared tree.

Users' code writes there unseen and a large tree takes longer to count than a page may, so a duty
counts it now and then; in between uploads add themselves to what was counted.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Measure:
    """``at`` is in epoch seconds, when the count began: what was written during it may lack."""

    used_bytes: int
    at: float


def measure_read(path: Path) -> Measure | None:
    try:
        told = json.loads(path.read_bytes())
        return Measure(int(told["used_bytes"]), float(told["at"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        logger.warning("%s can not be read and is counted anew", path)
        return None


def measure_write(path: Path, measure: Measure) -> None:
    """At once or not at all: where the disk is full the earlier one stays."""
    draft = path.with_name(f".{path.name}.{uuid4().hex}")  # threads of the web process write too
    try:
        draft.write_text(json.dumps(asdict(measure)))
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        logger.warning("%s can not be written: %s", path, error)


def measure_add(path: Path, count: int) -> None:
    """So many bytes came in since the measure was taken, or went where negative."""
    if measure := measure_read(path):
        measure_write(path, Measure(max(0, measure.used_bytes + count), measure.at))
