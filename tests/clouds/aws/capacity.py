"""InsufficientInstanceCapacity, by type and zone, from ``settings.capacity``.

Each entry: ``{"instance_type": "c5n.*", "zone": "us-east-2a", "instances": 4}``, the number that
can be alive there. AWS answers this error with HTTP 500, so that botocore repeats the launch by
itself; plain moto never answers it. Not proved: what AWS has.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from typing import Any

from moto.ec2.responses import EC2Response

from tests.clouds.aws.launches import zone_of
from tests.clouds.aws.moto_hooks import Asked, Proceed, Refusal, around
from tests.clouds.aws.world import world


@around(EC2Response, "run_instances", asked=Asked.FOR_CAPACITY)
def as_many_as_there_are(request: Any, proceed: Proceed) -> Any:
    """Launches MaxCount, or as many as there are when that is at least MinCount."""
    kind, zone = request._get_param("InstanceType", "m1.small"), zone_of(request)
    least, most = int(request.params["MinCount"]), int(request.params["MaxCount"])
    granted = int(min(most, _left(request.ec2_backend, kind, zone)))
    if least > most or least < 1:
        raise Refusal("InvalidParameterValue", f"MinCount {least} and MaxCount {most}")
    if granted < least:
        raise _none(kind, zone)
    request.params["MinCount"] = granted
    try:
        return proceed()
    finally:
        request.params["MinCount"] = least


@around(EC2Response, "start_instances", asked=Asked.FOR_CAPACITY)
def start_needs_capacity(request: Any, proceed: Proceed) -> Any:
    backend = request.ec2_backend
    asked = backend.get_multi_instances_by_id(request._get_param("InstanceIds", []))
    stopped = [instance for instance in asked if instance.state == "stopped"]
    for instance in stopped:
        place = instance.instance_type, instance.placement.zone
        same = [one for one in stopped if (one.instance_type, one.placement.zone) == place]
        if _left(backend, *place) < len(same):
            raise _none(*place)
    return proceed()


def _none(kind: str, zone: str) -> Refusal:
    return Refusal(
        "InsufficientInstanceCapacity",
        f"We currently do not have sufficient {kind} capacity in the Availability Zone you "
        f"requested ({zone}).",
        status=500,
    )


def _left(backend: Any, kind: str, zone: str) -> float:
    lefts = [
        limit["instances"] - sum(1 for one in _alive(backend) if _covers(limit, *one))
        for limit in world.settings.capacity
        if _covers(limit, kind, zone)
    ]
    return max(0, min(lefts, default=float("inf")))


def _covers(limit: dict[str, Any], kind: str, zone: str) -> bool:
    return fnmatch.fnmatchcase(kind, limit.get("instance_type", "*")) and fnmatch.fnmatchcase(
        zone, limit.get("zone", "*")
    )


def _alive(backend: Any) -> Iterator[tuple[str, str]]:
    for reservation in backend.reservations.values():
        for instance in reservation.instances:
            if instance.state in ("pending", "running", "stopping", "shutting-down"):
                yield instance.instance_type, instance.placement.zone
