"""DependencyViolation: nothing goes while something else needs it.

Plain moto lets a teardown pass in nearly any order; on AWS the same teardown stops half-way and
leaves things that cost money. Not proved: leftovers of services that we do not use.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from moto.ec2.responses import EC2Response
from moto.efs.models import efs_backends

from tests.clouds.aws.moto_hooks import Proceed, Refusal, around


def _violation(what: str) -> Refusal:
    return Refusal("DependencyViolation", f"{what} has dependencies and cannot be deleted.")


@around(EC2Response, "delete_subnet")
def subnet_in_use(request: Any, proceed: Proceed) -> Any:
    subnet = request._get_param("SubnetId")
    if any(eni.subnet.id == subnet for eni in request.ec2_backend.enis.values()):
        raise _violation(f"The subnet '{subnet}'")
    return proceed()


@around(EC2Response, "delete_security_group")
def security_group_in_use(request: Any, proceed: Proceed) -> Any:
    backend, name = request.ec2_backend, request._get_param("GroupId")
    group = backend.get_security_group_from_id(name) if name else None
    if group and group.is_default:
        raise Refusal("CannotDelete", f"the specified group: {name} cannot be deleted by a user")
    in_use = any(name in {one.id for one in eni.group_set} for eni in backend.enis.values())
    endpoints = backend.vpc_end_points.values()
    in_use = in_use or any(name in endpoint.security_group_ids for endpoint in endpoints)
    if group and (in_use or any(_refers(other, name) for other in _groups(backend))):
        raise Refusal("DependencyViolation", f"resource {name} has a dependent object")
    return proceed()


def _groups(backend: Any) -> Iterator[Any]:
    for there in backend.groups.values():
        yield from there.values()


def _refers(group: Any, name: str) -> bool:
    if group.id == name:
        return False
    rules = [*group.ingress_rules, *group.egress_rules]
    return any((rule.source_group or {}).get("GroupId") == name for rule in rules)


@around(EC2Response, "detach_internet_gateway")
def public_addresses_need_the_gateway(request: Any, proceed: Proceed) -> Any:
    vpc = request._get_param("VpcId")
    backend = request.ec2_backend
    nat = any(
        gateway.vpc_id == vpc and gateway.state != "deleted"
        for gateway in backend.nat_gateways.values()
    )
    mapped = any(eni.public_ip and eni.vpc_id == vpc for eni in backend.enis.values())
    if nat or mapped:
        raise Refusal(
            "DependencyViolation",
            f"Network {vpc} has some mapped public address(es). Please unmap those public "
            "address(es) before detaching the gateway.",
        )
    return proceed()


@around(EC2Response, "release_address")
def address_in_use(request: Any, proceed: Proceed) -> Any:
    name = request._get_param("AllocationId")
    for address in request.ec2_backend.addresses:
        if address.allocation_id == name and address.association_id:
            raise Refusal("InvalidIPAddress.InUse", f"Address {address.public_ip} is in use.")
    return proceed()


@around(EC2Response, "delete_route_table")
def main_route_table(request: Any, proceed: Proceed) -> Any:
    name = request._get_param("RouteTableId")
    table = request.ec2_backend.route_tables.get(name)
    if table and table.main_association_id:
        raise _violation(f"The routeTable '{name}'")
    return proceed()


@around(EC2Response, "delete_network_interface")
def attached_interface(request: Any, proceed: Proceed) -> Any:
    name = request._get_param("NetworkInterfaceId")
    eni = request.ec2_backend.enis.get(name)
    if eni and (eni.attachment_id or name in _of_others(request)):
        raise Refusal("InvalidParameterValue", f"Network interface '{name}' is currently in use.")
    return proceed()


def _of_others(request: Any) -> set[str]:
    """Interfaces of mount targets, NAT gateways and endpoints: only their owner removes them."""
    backend = request.ec2_backend
    efs = efs_backends[request.current_account][request.region]
    targets = {target.network_interface_id for target in efs.mount_targets_by_id.values()}
    gateways = {one._eni.id for one in backend.nat_gateways.values() if one.state != "deleted"}
    endpoints = backend.vpc_end_points.values()
    return targets | gateways | {eni for one in endpoints for eni in one.network_interface_ids}


@around(EC2Response, "delete_vpc")
def vpc_in_use(request: Any, proceed: Proceed) -> Any:
    backend, vpc = request.ec2_backend, request._get_param("VpcId")
    dependents = [
        *(group for group in backend.groups.get(vpc, {}).values() if not group.is_default),
        *(gate for gate in backend.internet_gateways.values() if gate.vpc and gate.vpc.id == vpc),
        *(eni for eni in backend.enis.values() if eni.vpc_id == vpc),
        *(one for one in backend.vpc_end_points.values() if one.vpc_id == vpc),
    ]
    if dependents:
        raise _violation(f"The vpc '{vpc}'")
    return proceed()
