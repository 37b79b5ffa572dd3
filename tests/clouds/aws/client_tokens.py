"""Client tokens: the same token is the same launch, other parameters are refused.

Plain moto ignores every token of EC2: a launch repeated because its answer was lost runs twice.
Not proved: how long AWS remembers a token (here: until the reset).
EFS answers a repeated access point token with 409 and the id, as it does for a file system; that
is our reading, its documentation names the error and not when.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from moto.ec2.responses import EC2Response
from moto.efs.responses import EFSResponse

from tests.clouds.aws.moto_hooks import Asked, Proceed, Refusal, around
from tests.clouds.aws.world import world

_answers: dict[tuple[str, ...], tuple[str, Any]] = {}
_access_points: dict[tuple[str, ...], str] = {}
world.on_reset(_answers.clear)
world.on_reset(_access_points.clear)


@around(
    EC2Response,
    "run_instances",
    "create_nat_gateway",
    "create_vpc_endpoint",
    "create_fleet",
    "create_launch_template",
    "create_network_interface",
    "create_route_table",
    "create_volume",
    asked=Asked.FOR_TOKEN,
)
def same_token_same_answer(request: Any, proceed: Proceed) -> Any:
    token = request._get_param("ClientToken")
    if not token:
        return proceed()
    key = (request.current_account, request.region, request._get_action(), token)
    digest = _digest(request.params)
    if key not in _answers:
        _answers[key] = digest, proceed()
    known, answer = _answers[key]
    if known != digest:
        raise Refusal(
            "IdempotentParameterMismatch",
            "Arguments on this idempotent request are inconsistent with arguments used in "
            "previous request(s).",
        )
    return answer


def _digest(parameters: Any) -> str:
    return hashlib.sha256(json.dumps(parameters, sort_keys=True, default=str).encode()).hexdigest()


@around(EFSResponse, "create_access_point", asked=Asked.FOR_TOKEN)
def one_access_point_per_token(request: Any, proceed: Proceed) -> Any:
    token = request._get_param("ClientToken")
    if not token:
        return proceed()
    key = (request.current_account, request.region, token)
    if key in _access_points:
        raise Refusal(
            "AccessPointAlreadyExists",
            f"Access point already exists with creation token {token}",
            ErrorCode="AccessPointAlreadyExists",
            AccessPointId=_access_points[key],
        )
    answer = proceed()
    _access_points[key] = json.loads(answer[0])["AccessPointId"]
    return answer
