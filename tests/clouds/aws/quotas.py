"""Quotas: VPCs, addresses, vCPUs; enforced, and told by Service Quotas.

Plain moto enforces none and knows no quota of EC2. ``settings.quotas`` changes one by its code.
Not proved: what a real account may have, and increases.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.ec2.responses import EC2Response
from moto.servicequotas.responses import ServiceQuotasResponse

from tests.clouds.aws.moto_hooks import Asked, Proceed, Refusal, adds, around
from tests.clouds.aws.world import world


@dataclass(frozen=True)
class Quota:
    service: str
    name: str
    value: float


QUOTAS = {
    "L-F678F1CE": Quota("vpc", "VPCs per Region", 5),
    "L-A4707A72": Quota("vpc", "Internet gateways per Region", 5),
    "L-FE5A380F": Quota("vpc", "NAT gateways per Availability Zone", 5),
    "L-0263D0A3": Quota("ec2", "EC2-VPC Elastic IPs", 5),
    "L-1216C47A": Quota(
        "ec2", "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", 1152
    ),
    "L-DB2E81BA": Quota("ec2", "Running On-Demand G and VT instances", 768),
    "L-417A185B": Quota("ec2", "Running On-Demand P instances", 768),
    "L-F7808C92": Quota("ec2", "Running On-Demand HPC instances", 768),
    "L-34B43A08": Quota(
        "ec2", "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests", 1152
    ),
}
FAMILIES = {"hpc": "L-F7808C92", "vt": "L-DB2E81BA", "g": "L-DB2E81BA", "p": "L-417A185B"}
STANDARD, STANDARD_SPOT = "L-1216C47A", "L-34B43A08"


def quota(code: str) -> float:
    return float(world.settings.quotas.get(code, QUOTAS[code].value))


def bucket(kind: str, *, spot: bool = False) -> str:
    """Which vCPU quota an instance type counts against."""
    family = next((code for start, code in FAMILIES.items() if kind.startswith(start)), STANDARD)
    return STANDARD_SPOT if spot and family == STANDARD else family


@around(EC2Response, "create_vpc")
def vpcs(request: Any, proceed: Proceed) -> Any:
    if len(request.ec2_backend.vpcs) >= quota("L-F678F1CE"):
        raise Refusal("VpcLimitExceeded", "The maximum number of VPCs has been reached.")
    return proceed()


@around(EC2Response, "create_internet_gateway")
def internet_gateways(request: Any, proceed: Proceed) -> Any:
    if len(request.ec2_backend.internet_gateways) >= quota("L-A4707A72"):
        raise Refusal(
            "InternetGatewayLimitExceeded",
            "The maximum number of internet gateways has been reached.",
        )
    return proceed()


@around(EC2Response, "allocate_address")
def addresses(request: Any, proceed: Proceed) -> Any:
    if len(request.ec2_backend.addresses) >= quota("L-0263D0A3"):
        raise Refusal("AddressLimitExceeded", "The maximum number of addresses has been reached.")
    return proceed()


@around(EC2Response, "create_nat_gateway", asked=Asked.FOR_QUOTA)
def nat_gateways(request: Any, proceed: Proceed) -> Any:
    backend = request.ec2_backend
    zone = backend.get_subnet(request._get_param("SubnetId")).availability_zone
    there = [
        gateway
        for gateway in backend.nat_gateways.values()
        if gateway.state != "deleted" and gateway._eni.subnet.availability_zone == zone
    ]
    if len(there) >= quota("L-FE5A380F"):
        raise Refusal(
            "NatGatewayLimitExceeded",
            "Performing this operation would exceed the limit of "
            f"{quota('L-FE5A380F'):.0f} NAT gateways",
        )
    return proceed()


@around(EC2Response, "run_instances", asked=Asked.FOR_QUOTA)
def vcpus_of_a_launch(request: Any, proceed: Proceed) -> Any:
    kind = request._get_param("InstanceType", "m1.small")
    spot = request._get_param("InstanceMarketOptions.MarketType") == "spot"
    least = int(request.params["MinCount"])
    _require_vcpus(request.ec2_backend, bucket(kind, spot=spot), least * _vcpus(kind))
    return proceed()


@around(EC2Response, "start_instances", asked=Asked.FOR_QUOTA)
def vcpus_of_a_start(request: Any, proceed: Proceed) -> Any:
    backend = request.ec2_backend
    asked = backend.get_multi_instances_by_id(request._get_param("InstanceIds", []))
    kinds = [instance.instance_type for instance in asked if instance.state == "stopped"]
    for code in {bucket(kind) for kind in kinds}:
        _require_vcpus(backend, code, sum(_vcpus(kind) for kind in kinds if bucket(kind) == code))
    return proceed()


def _vcpus(kind: str) -> int:
    return int(INSTANCE_TYPES.get(kind, {}).get("VCpuInfo", {}).get("DefaultVCpus", 1))


def _require_vcpus(backend: Any, code: str, more: int) -> None:
    if more + sum(vcpus for found, vcpus in _running(backend) if found == code) <= quota(code):
        return
    if code == STANDARD_SPOT:
        raise Refusal("MaxSpotInstanceCountExceeded", "Max spot instance count exceeded")
    raise Refusal(
        "VcpuLimitExceeded",
        f"You have requested more vCPU capacity than your current vCPU limit of "
        f"{quota(code):.0f} allows for the instance bucket that the specified instance type "
        "belongs to.",
    )


def _running(backend: Any) -> Iterator[tuple[str, int]]:
    for reservation in backend.reservations.values():
        for one in reservation.instances:
            if one.state in ("pending", "running"):
                yield (
                    bucket(one.instance_type, spot=one.lifecycle == "spot"),
                    _vcpus(one.instance_type),
                )


def _told(request: Any, code: str, value: float) -> dict[str, Any]:
    found = QUOTAS[code]
    return {
        "ServiceCode": found.service,
        "ServiceName": found.service,
        "QuotaArn": f"arn:aws:servicequotas:{request.region}:{request.current_account}:"
        f"{found.service}/{code}",
        "QuotaCode": code,
        "QuotaName": found.name,
        "Value": value,
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }


def _named(request: Any) -> str:
    code = str(request._get_param("QuotaCode"))
    if code not in QUOTAS or QUOTAS[code].service != request._get_param("ServiceCode"):
        raise Refusal(
            "NoSuchResourceException",
            "The request failed because the specified "
            "service does not exist or the quota is unknown.",
        )
    return code


@around(ServiceQuotasResponse, "get_service_quota")
def get_service_quota(request: Any, _proceed: Proceed) -> Any:
    code = _named(request)
    return ActionResult({"Quota": _told(request, code, quota(code))})


@adds(ServiceQuotasResponse)
def list_service_quotas(request: Any) -> Any:
    service = request._get_param("ServiceCode")
    codes = [code for code, one in QUOTAS.items() if one.service == service]
    return ActionResult({"Quotas": [_told(request, code, quota(code)) for code in codes]})


@adds(ServiceQuotasResponse)
def get_aws_default_service_quota(request: Any) -> Any:
    code = _named(request)
    return ActionResult({"Quota": _told(request, code, QUOTAS[code].value)})
