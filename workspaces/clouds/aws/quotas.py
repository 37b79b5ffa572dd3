"""Whether the account's limits leave room (F064): virtual processors, VPCs, elastic IPs."""

from __future__ import annotations

from botocore.exceptions import ClientError

from workspaces.clouds.aws.account import Access, Client
from workspaces.clouds.aws.errors import aws_code, told
from workspaces.clouds.base import CloudError

VCPU_QUOTA = ("ec2", "L-1216C47A", "vCPUs of standard instances")
HPC_QUOTA = ("ec2", "L-F7808C92", "vCPUs of HPC instances")
VPC_QUOTA = ("vpc", "L-F678F1CE", "VPCs")
ADDRESS_QUOTA = ("ec2", "L-0263D0A3", "Elastic IPs")

Quota = tuple[str, str, str]

SMALLEST_NODE_VCPUS = 2
_STANDARD = tuple("acdhimrtz")  # families whose machines share VCPU_QUOTA, by their first letter
_RUNNING = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
_UNTOLD = {"NoSuchResourceException", "NoSuchResource"}


def quota_check(access: Access, region: str) -> str:
    """One sentence with what is used of each; raises CloudError("Quota") naming what is full."""
    ec2 = access.client("ec2", region)
    used = {
        VCPU_QUOTA: (vcpus_in_use(access, region), SMALLEST_NODE_VCPUS),
        VPC_QUOTA: (_count(ec2, "describe_vpcs", "Vpcs"), 1),
        ADDRESS_QUOTA: (_addresses(ec2), 1),
    }
    parts = []
    for quota, (count, needed) in used.items():
        limit = quota_value(access, region, quota)
        if limit is not None and count + needed > limit:
            raise CloudError(
                "Quota",
                f"{count} of {limit} {quota[2]} are in use in {region}, and a workspace needs"
                f" {needed} more. Remove some, or ask AWS for more under Service Quotas.",
            )
        parts.append(f"{count} of {'an unknown number of' if limit is None else limit} {quota[2]}")
    return f"In use in {region}: {', '.join(parts)}."


def quota_value(access: Access, region: str, quota: Quota) -> int | None:
    """The account's value, else AWS's default; None where AWS tells neither."""
    client = access.client("service-quotas", region)
    for call in ("get_service_quota", "get_aws_default_service_quota"):
        with told("read the limits of the account", access.who):
            try:
                answer = getattr(client, call)(ServiceCode=quota[0], QuotaCode=quota[1])
            except ClientError as error:
                if aws_code(error) not in _UNTOLD:
                    raise
            else:
                return int(answer["Quota"]["Value"])
    return None


def vcpu_room(access: Access, region: str, instance_type: str) -> int | None:
    """How many vCPUs of its kind the account may still start; None where AWS tells no limit."""
    quota = vcpu_quota(instance_type)
    limit = quota_value(access, region, quota) if quota else None
    if quota is None or limit is None:
        return None
    return max(0, limit - vcpus_in_use(access, region, quota))


def vcpu_quota(instance_type: str) -> Quota | None:
    """The limit that instances of this type count for; None for kinds we do not know."""
    family = instance_type.partition(".")[0]
    if family.startswith("hpc"):
        return HPC_QUOTA
    is_standard = family.startswith(_STANDARD) and family[1:2].isdecimal()
    return VCPU_QUOTA if is_standard else None


def vcpus_in_use(access: Access, region: str, quota: Quota = VCPU_QUOTA) -> int:
    ec2 = access.client("ec2", region)
    with told("count the running instances", access.who):
        pages = ec2.get_paginator("describe_instances").paginate(Filters=_RUNNING)
        return sum(
            instance["CpuOptions"]["CoreCount"] * instance["CpuOptions"].get("ThreadsPerCore", 1)
            for page in pages
            for reservation in page["Reservations"]
            for instance in reservation["Instances"]
            if "CpuOptions" in instance and vcpu_quota(instance["InstanceType"]) == quota
        )


def _count(ec2: Client, call: str, key: str) -> int:
    with told("count what the account has"):
        return sum(len(page[key]) for page in ec2.get_paginator(call).paginate())


def _addresses(ec2: Client) -> int:
    with told("count the Elastic IPs"):
        return len(ec2.describe_addresses()["Addresses"])
