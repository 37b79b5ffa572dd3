"""Which instance types a region has: from AWS, kept in a file, with a small list for the start.

``DescribeInstanceTypes`` is megabytes and seconds, so a worker asks (``Catalogue.fetch``) and
forms read the file. It also keeps why the last asking failed: as long as AWS refuses the
credentials, the list is empty and the form tells that reason (F101) instead of offering machines
that nobody can start. Before the first answer a bundled list serves, our own choice of types.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from workspaces.clouds.aws.account import Access, Client
from workspaces.clouds.aws.errors import told
from workspaces.clouds.base import CloudError, InstanceType

LEAST_MEMORY_MIB = 4096
_FILTERS = [
    {"Name": "hypervisor", "Values": ["nitro"]},
    {"Name": "processor-info.supported-architecture", "Values": ["x86_64"]},
    {"Name": "supported-usage-class", "Values": ["on-demand"]},
    {"Name": "bare-metal", "Values": ["false"]},
]


@dataclass(frozen=True)
class CatalogueEntry:
    """``zones``: those that offer it, unknown (empty) in the bundled list. ``cores`` are physical.

    ``strategies``: of placement groups. ``network_cards``: at most one EFA device on each.
    """

    name: str
    vcpus: int
    cores: int
    memory_mib: int
    has_efa: bool
    strategies: tuple[str, ...]
    network_cards: int
    zones: tuple[str, ...] = ()

    @property
    def instance_type(self) -> InstanceType:
        return InstanceType(
            self.name, self.vcpus, self.cores, self.memory_mib, has_efa=self.has_efa
        )


@dataclass(frozen=True)
class Known:
    """``fetched_at``: epoch seconds, None for the bundled list. ``problem``: of the last asking."""

    entries: tuple[CatalogueEntry, ...]
    fetched_at: float | None
    problem: CloudError | None


class Catalogue:
    """The kept answers for one account."""

    def __init__(self, cache_dir: str, account_id: str) -> None:
        self._folder = Path(cache_dir) / "instance-types" / account_id

    def known(self, region: str) -> Known:
        kept = self._read(region)
        problem = kept.get("problem")
        entries = tuple(_entry(row) for row in kept.get("entries", ()))
        return Known(
            entries or bundled(region),
            kept.get("fetched_at") if entries else None,
            CloudError(problem["code"], problem["message"]) if problem else None,
        )

    def fetch(self, access: Access, region: str) -> Known:
        """Ask AWS and keep the answer, or why there was none: then the older list stays."""
        kept = self._read(region)
        try:
            entries = described(access.client("ec2", region))
            kept = {"fetched_at": time.time(), "entries": [asdict(entry) for entry in entries]}
        except CloudError as error:
            kept["problem"] = {"code": error.code, "message": error.message}
        self._write(region, kept)
        return self.known(region)

    def _read(self, region: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(self._path(region).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found

    def _write(self, region: str, kept: Mapping[str, Any]) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=self._folder)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(kept, file)
        Path(draft).replace(self._path(region))

    def _path(self, region: str) -> Path:
        return self._folder / f"{region}.json"


def described(ec2: Client) -> list[CatalogueEntry]:
    """What EC2 offers in the client's region, by family and size. Raises CloudError."""
    with told("list the instance types"):
        zones = _zones(ec2)
        pages = ec2.get_paginator("describe_instance_types").paginate(Filters=_FILTERS)
        rows = [row for page in pages for row in page["InstanceTypes"]]
    entries = [_described(row, zones.get(row["InstanceType"], ())) for row in rows]
    fitting = [e for e in entries if e.zones and e.memory_mib >= LEAST_MEMORY_MIB]
    return sorted(fitting, key=_order)


def _zones(ec2: Client) -> dict[str, tuple[str, ...]]:
    pages = ec2.get_paginator("describe_instance_type_offerings").paginate(
        LocationType="availability-zone"
    )
    found: dict[str, list[str]] = defaultdict(list)
    for page in pages:
        for row in page["InstanceTypeOfferings"]:
            found[row["InstanceType"]].append(row["Location"])
    return {name: tuple(sorted(zones)) for name, zones in found.items()}


def _described(row: Mapping[str, Any], zones: tuple[str, ...]) -> CatalogueEntry:
    processors, network = row["VCpuInfo"], row["NetworkInfo"]
    vcpus = processors["DefaultVCpus"]
    return CatalogueEntry(
        name=row["InstanceType"],
        vcpus=vcpus,
        cores=processors.get("DefaultCores", vcpus),
        memory_mib=row["MemoryInfo"]["SizeInMiB"],
        has_efa=bool(network.get("EfaSupported")),
        strategies=tuple(row.get("PlacementGroupInfo", {}).get("SupportedStrategies", ())),
        network_cards=network.get("MaximumNetworkCards", 1),
        zones=zones,
    )


def _order(entry: CatalogueEntry) -> tuple[str, int, int, str]:
    return entry.name.partition(".")[0], entry.cores, entry.memory_mib, entry.name


@cache
def bundled(region: str) -> tuple[CatalogueEntry, ...]:
    """The types of the bundled list that the region had on its date."""
    return tuple(_entry(row) for row in _bundle()["entries"] if region in row["regions"])


def bundled_on() -> str:
    """When the bundled list was generated, as 2026-11-21."""
    return str(_bundle()["generated_on"])


def _bundle() -> dict[str, Any]:
    text = files("workspaces.clouds.aws").joinpath("instance_types.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def _entry(row: Mapping[str, Any]) -> CatalogueEntry:
    known = {name: row[name] for name in CatalogueEntry.__dataclass_fields__ if name in row}
    tuples = {name: tuple(known.get(name, ())) for name in ("strategies", "zones")}
    return CatalogueEntry(**{**known, **tuples})
