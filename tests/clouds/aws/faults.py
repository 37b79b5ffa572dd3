"""Faults on demand, for any process that calls the server: ``POST /_faults`` with a list.

A fault: ``{"match": "ec2.Run*", "kind": "drop_after", "nth": 2, "times": 1}``

``match``  pattern over "service.Action"; ``instance_type`` and ``zone`` narrow it further
``kind``   error (``code``, ``message``, ``status``), throttle, http500, delay (``seconds``),
           drop_before or drop_after (the connection ends without an answer, before the effect
           or after it)
``nth``    the first matching call that is hit, 1 by default
``times``  how many are hit from there on, 1 by default, 0 for all

Plain moto never throttles, never loses an answer and never runs out of anything.
"""

from __future__ import annotations

import fnmatch
import json
from dataclasses import asdict, dataclass
from typing import Any

from moto.ec2.models import ec2_backends
from moto.iam.models import get_account_id_from

from tests.clouds.aws.calls import Call

KINDS = ("error", "throttle", "http500", "delay", "drop_before", "drop_after")
THROTTLES = {
    "ec2": ("RequestLimitExceeded", 503),
    "s3": ("SlowDown", 503),
    "iam": ("Throttling", 400),
    "sts": ("Throttling", 400),
    "cloudwatch": ("Throttling", 400),
}

EXPIRED = {
    "ec2": ("RequestExpired", 400),
    "s3": ("ExpiredToken", 400),
    "iam": ("ExpiredToken", 403),
    "sts": ("ExpiredToken", 403),
}


@dataclass
class Fault:
    match: str
    kind: str
    code: str = "InternalError"
    message: str = "A fault was asked for."
    status: int = 400
    seconds: float = 1
    nth: int = 1
    times: int = 1
    instance_type: str = "*"
    zone: str = "*"
    seen: int = 0
    hits: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no fault of kind {self.kind!r}; there are {', '.join(KINDS)}")

    def meets(self, call: Call) -> bool:
        """Whether this call is hit; counts it when it matches."""
        if not fnmatch.fnmatchcase(call.name, self.match) or not self._meets_launch(call):
            return False
        self.seen += 1
        late = self.times and self.seen >= self.nth + self.times
        if self.seen < self.nth or late:
            return False
        self.hits += 1
        return True

    def _meets_launch(self, call: Call) -> bool:
        if self.instance_type == self.zone == "*":
            return True
        form = call.form
        return fnmatch.fnmatchcase(
            form.get("InstanceType", ""), self.instance_type
        ) and fnmatch.fnmatchcase(_zone(call, form), self.zone)


def _zone(call: Call, form: dict[str, str]) -> str:
    subnet = form.get("SubnetId") or form.get("NetworkInterface.1.SubnetId")
    if not subnet:
        return form.get("Placement.AvailabilityZone", "")
    backend = ec2_backends[get_account_id_from(call.access_key)][call.region]
    return next((zone for zone, there in backend.subnets.items() if subnet in there), "")


class Faults:
    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def plan(self, wanted: list[dict[str, Any]]) -> None:
        """Replace what was planned."""
        self._faults = [Fault(**one) for one in wanted]

    def shown(self) -> list[dict[str, Any]]:
        return [asdict(fault) for fault in self._faults]

    def meet(self, call: Call) -> Fault | None:
        """The first fault that hits this call. All that match are counted."""
        hit = [fault for fault in self._faults if fault.meets(call)]
        return hit[0] if hit else None


def expired(call: Call) -> Fault:
    """What a service says to the keys of a session that is over."""
    code, status = EXPIRED.get(call.service, ("ExpiredTokenException", 400))
    message = "The security token included in the request is expired"
    return Fault(call.name, "error", code=code, status=status, message=message)


def error_answer(call: Call, fault: Fault) -> tuple[int, str, bytes]:
    """Status, content type and body of the error, in the protocol of the service."""
    code, status = fault.code, fault.status
    if fault.kind == "throttle":
        code, status = THROTTLES.get(call.service, ("ThrottlingException", 400))
    if fault.kind == "http500":
        return 500, "text/html", b"<html>Internal Server Error</html>"
    if call.is_json or call.service in ("efs", "service-quotas"):
        body = json.dumps({"__type": code, "code": code, "message": fault.message})
        return status, "application/x-amz-json-1.1", body.encode()
    error = f"<Code>{code}</Code><Message>{fault.message}</Message>"
    if call.service == "ec2":
        body = (
            f"<Response><Errors><Error>{error}</Error></Errors><RequestID>r</RequestID></Response>"
        )
    elif call.service == "s3":
        body = f"<Error>{error}</Error>"
    else:
        body = f"<ErrorResponse><Error><Type>Sender</Type>{error}</Error></ErrorResponse>"
    return status, "text/xml", body.encode()
