"""RunInstances: what was asked for is what the instances have, on every node.

Plain moto gives the instance profile to the first node only, drops the placement group, EFA
interface types, CPU options and interface tags, starts MinCount instances instead of MaxCount,
launches a type where it is not offered and accepts user data of any length.
Not proved: that a request that is accepted here is complete for AWS.
"""

from __future__ import annotations

import base64
import functools
from typing import Any

import moto.settings
from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS, INSTANCE_TYPES
from moto.ec2.models.instances import Instance
from moto.ec2.responses import EC2Response
from moto.ec2.utils import filter_dict_attribute_mapping

from tests.clouds.aws import lag, nodes, placement_groups
from tests.clouds.aws.moto_hooks import Proceed, Refusal, around

USER_DATA_BYTES = 16 * 1024
# moto has these checks, and leaves them out unless it is told.
moto.settings.ENABLE_AMI_VALIDATION = True
moto.settings.ENABLE_KEYPAIR_VALIDATION = True
# Filters that AWS has and moto answers with HTTP 500.
filter_dict_attribute_mapping.update(
    {
        "placement-group-name": "placement.group_name",
        "client-token": "client_token",
        "instance-lifecycle": "lifecycle",
        "iam-instance-profile.arn": "iam_instance_profile.Arn",
        "tenancy": "placement.tenancy",
    }
)


@around(EC2Response, "run_instances")
def launch_as_asked(request: Any, proceed: Proceed) -> Any:
    _check(request)
    answer = proceed()
    instances: list[Instance] = answer.result.instances
    for instance in instances:
        _complete(request, instance)
        nodes.launched(instance)
    return answer


def zone_of(request: Any) -> str:
    """The zone that a launch asks for: its own, or its subnet's."""
    interfaces = request._get_param("NetworkInterfaces", [])
    subnets = [request._get_param("SubnetId"), *(nic.get("SubnetId") for nic in interfaces)]
    for subnet in filter(None, subnets):
        return str(request.ec2_backend.get_subnet(subnet).availability_zone)
    return str(request._get_param("Placement.AvailabilityZone") or f"{request.region}a")


def _check(request: Any) -> None:
    user_data = request._get_param("UserData") or ""
    if len(base64.b64decode(user_data)) > USER_DATA_BYTES:
        raise Refusal("InvalidParameterValue", "User data is limited to 16384 bytes")
    kind, zone = request._get_param("InstanceType", "m1.small"), zone_of(request)
    if kind not in INSTANCE_TYPES:
        raise Refusal("InvalidParameterValue", f"Invalid value '{kind}' for InstanceType.")
    if kind not in _offered(request.region, zone):
        raise Refusal(
            "Unsupported",
            f"Your requested instance type ({kind}) is not supported in your requested "
            f"Availability Zone ({zone}).",
        )
    efa = any(
        str(nic.get("InterfaceType", "")).startswith("efa")
        for nic in request._get_param("NetworkInterfaces", [])
    )
    if efa and not INSTANCE_TYPES.get(kind, {}).get("NetworkInfo", {}).get("EfaSupported"):
        raise Refusal("UnsupportedOperation", f"EFA is not supported by instance type {kind}.")
    if group := request._get_param("Placement.GroupName"):
        placement_groups.must_exist(request.current_account, request.region, group)
    lag.profile_must_be_known(request)


@functools.cache
def _offered(region: str, zone: str) -> frozenset[str]:
    offers = INSTANCE_TYPE_OFFERINGS["availability-zone"].get(region, [])
    return frozenset(offer["InstanceType"] for offer in offers if offer["Location"] == zone)


def _complete(request: Any, instance: Any) -> None:
    asked = request._get_param("NetworkInterfaces", [])
    tags = request._parse_tag_specification().get("network-interface", {})
    for nic in instance.nics.values():
        wanted = next((one for one in asked if int(one["DeviceIndex"]) == nic.device_index), {})
        if wanted.get("NetworkInterfaceId"):
            continue
        nic.interface_type = wanted.get("InterfaceType", "interface")
        nic.delete_on_termination = wanted.get("DeleteOnTermination") is not False
        nic.add_tags(tags)
    instance.placement.group_name = request._get_param("Placement.GroupName") or ""
    if cpu := request._get_param("CpuOptions"):
        instance.cpu_options = dict(cpu)
    profile = request._get_param("IamInstanceProfile") or {}
    if profile and not instance.iam_instance_profile:
        request.ec2_backend.associate_iam_instance_profile(
            instance_id=instance.id,
            iam_instance_profile_name=profile.get("Name"),
            iam_instance_profile_arn=profile.get("Arn"),
        )
