"""NAT gateways take their time, and let go of interface and address; deleted endpoints are gone.

In plain moto a deleted NAT gateway keeps both for ever, a deleted endpoint is listed for ever,
and deleting a NAT gateway that does not exist, or an endpoint that was made without a type, is an
HTTP 500. Not proved: minutes instead of a tenth of a second, failed gateways.
"""

from __future__ import annotations

from typing import Any

from moto.ec2.responses import EC2Response

from tests.clouds.aws.moto_hooks import Proceed, Refusal, around
from tests.clouds.aws.world import world


@around(EC2Response, "create_nat_gateway")
def pending_then_available(_request: Any, proceed: Proceed) -> Any:
    answer = proceed()
    gateway = answer.result["NatGateway"]
    _later(gateway, "pending", lambda: setattr(gateway, "state", "available"))
    return answer


@around(EC2Response, "delete_nat_gateway")
def deleting_then_deleted(request: Any, proceed: Proceed) -> Any:
    name = request._get_param("NatGatewayId")
    gateway = request.ec2_backend.nat_gateways.get(name)
    if gateway is None:
        raise Refusal("NatGatewayNotFound", f"The Nat Gateway {name} was not found")
    if gateway.state in ("deleting", "deleted"):
        return proceed() if gateway.state == "deleted" else _unchanged(gateway, proceed)
    answer = proceed()
    _later(gateway, "deleting", lambda: _let_go(gateway))
    return answer


@around(EC2Response, "create_vpc_endpoint")
def gateway_by_default(request: Any, proceed: Proceed) -> Any:
    request.params.setdefault("VpcEndpointType", "Gateway")
    return proceed()


@around(EC2Response, "delete_vpc_endpoints")
def endpoints_are_gone(request: Any, proceed: Proceed) -> Any:
    answer = proceed()
    for name in request._get_param("VpcEndpointIds", []):
        request.ec2_backend.vpc_end_points.pop(name, None)
    return answer


def _unchanged(gateway: Any, proceed: Proceed) -> Any:
    answer = proceed()
    gateway.state = "deleting"
    return answer


def _later(gateway: Any, state: str, then: Any) -> None:
    gateway.state = state
    world.timeline.after(
        world.settings.nat_gateway_seconds, lambda: then() if gateway.state == state else None
    )


def _let_go(gateway: Any) -> None:
    gateway.state = "deleted"
    backend = gateway.ec2_backend
    backend.enis.pop(gateway._eni.id, None)
    for address in backend.addresses:
        if address.eni is gateway._eni:
            address.eni = address.association_id = None
