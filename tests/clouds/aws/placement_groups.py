"""Placement groups. Plain moto has none: each of these calls is an HTTP 500 there.

Not proved: that AWS finds room for a cluster group, or what its instances gain from it.
"""

from __future__ import annotations

import fnmatch
import uuid
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.ec2.models import ec2_backends
from moto.ec2.responses import EC2Response

from tests.clouds.aws.moto_hooks import Refusal, adds
from tests.clouds.aws.world import world

Key = tuple[str, str, str]  # account, region, name
_groups: dict[Key, dict[str, Any]] = {}
world.on_reset(_groups.clear)


def must_exist(account: str, region: str, name: str) -> None:
    if (account, region, name) not in _groups:
        raise Refusal("InvalidPlacementGroup.Unknown", f"The Placement Group '{name}' is unknown.")


@adds(EC2Response)
def create_placement_group(request: Any) -> ActionResult:
    name = request._get_param("GroupName")
    key = (request.current_account, request.region, name)
    if key in _groups:
        raise Refusal(
            "InvalidPlacementGroup.Duplicate", f"The Placement Group '{name}' already exists."
        )
    tags = request._parse_tag_specification("placement-group").get("placement-group", {})
    _groups[key] = {
        "GroupName": name,
        "GroupId": f"pg-{uuid.uuid4().hex[:17]}",
        "Strategy": request._get_param("Strategy", "cluster"),
        "State": "available",
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
    }
    return ActionResult({"PlacementGroup": _groups[key]})


@adds(EC2Response)
def describe_placement_groups(request: Any) -> ActionResult:
    account, region = request.current_account, request.region
    names = request._get_param("GroupNames", [])
    for name in names:
        must_exist(account, region, name)
    filters = request._filters_from_querystring()
    found = [
        group
        for key, group in _groups.items()
        if key[:2] == (account, region)
        and (not names or group["GroupName"] in names)
        and all(_passes(group, name, wanted) for name, wanted in filters.items())
    ]
    return ActionResult({"PlacementGroups": found})


def _passes(group: dict[str, Any], name: str, wanted: list[str]) -> bool:
    tags = {tag["Key"]: tag["Value"] for tag in group["Tags"]}
    values = {
        "group-name": [group["GroupName"]],
        "strategy": [group["Strategy"]],
        "state": [group["State"]],
        "tag-key": list(tags),
    }
    if name.startswith("tag:"):
        values[name] = [tags[name[4:]]] if name[4:] in tags else []
    if name not in values:
        raise Refusal("InvalidParameterValue", f"The filter '{name}' is invalid")
    return any(fnmatch.fnmatchcase(value, one) for value in values[name] for one in wanted)


@adds(EC2Response)
def delete_placement_group(request: Any) -> EmptyResult:
    account, region = request.current_account, request.region
    name = request._get_param("GroupName")
    must_exist(account, region, name)
    if any(
        instance.placement.group_name == name and instance.state != "terminated"
        for reservation in ec2_backends[account][region].reservations.values()
        for instance in reservation.instances
    ):
        raise Refusal(
            "InvalidPlacementGroup.InUse",
            f"The placement group {name} is in use and may not be deleted.",
        )
    del _groups[account, region, name]
    return EmptyResult()
