"""What several tests of the strict server need to have built."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.clouds.aws.fixtures import CUSTOMER, PLATFORM, AwsServer
from tests.waiting import wait_until

IMAGE = "ami-04681a1dbd79675a5"
ANYBODY_ON_EC2 = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "ec2.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
SSM_CORE = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"


def code(refused: pytest.ExceptionInfo[ClientError]) -> str:
    return str(refused.value.response["Error"]["Code"])


@dataclass
class Network:
    vpc: str
    subnet: str
    group: str


def network(aws: AwsServer, **kwargs: Any) -> Network:
    ec2 = aws.client("ec2", **kwargs)
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    zone = f"{ec2.meta.region_name}a"
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.1.0/24", AvailabilityZone=zone)
    group = ec2.create_security_group(VpcId=vpc, GroupName="nodes", Description="nodes")
    return Network(vpc, subnet["Subnet"]["SubnetId"], group["GroupId"])


def launch(aws: AwsServer, count: int = 1, **asked: Any) -> list[str]:
    """Ids of instances in the default network, or where ``asked`` says."""
    request = {
        "ImageId": IMAGE,
        "InstanceType": "c5.large",
        "MinCount": count,
        "MaxCount": count,
        **asked,
    }
    answer = aws.client("ec2").run_instances(**request)
    return [instance["InstanceId"] for instance in answer["Instances"]]


def states(aws: AwsServer, ids: list[str]) -> set[str]:
    answer = aws.client("ec2").describe_instances(InstanceIds=ids)
    return {
        instance["State"]["Name"]
        for reservation in answer["Reservations"]
        for instance in reservation["Instances"]
    }


def wait_for_state(aws: AwsServer, ids: list[str], state: str) -> None:
    wait_until(lambda: states(aws, ids) == {state})


def profile(aws: AwsServer, name: str = "node", policy: str = SSM_CORE) -> str:
    """An instance profile with a role that has this managed policy."""
    iam = aws.client("iam")
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(ANYBODY_ON_EC2))
    iam.attach_role_policy(RoleName=name, PolicyArn=policy)
    iam.create_instance_profile(InstanceProfileName=name)
    iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    return name


def node(aws: AwsServer, **asked: Any) -> str:
    """A running instance that Systems Manager reaches."""
    ids = launch(aws, IamInstanceProfile={"Name": profile(aws)}, **asked)
    aws.advance(1)
    return ids[0]


def trusting_role(aws: AwsServer, external_id: str, name: str = "bodo") -> str:
    """In the customer's account, for the platform's; answers the ARN."""
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{PLATFORM}:root"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": external_id}},
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam = aws.client("iam", account=CUSTOMER)
    return str(iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"])
