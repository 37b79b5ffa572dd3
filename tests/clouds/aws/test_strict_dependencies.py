"""A teardown in the wrong order. Plain moto would have let each of these pass."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.clouds.aws.building import Network, code, launch, network
from tests.clouds.aws.fixtures import AwsServer


def refusal(call: Any, **asked: Any) -> str:
    with pytest.raises(ClientError) as refused:
        call(**asked)
    return code(refused)


def with_nat(aws: AwsServer, built: Network) -> tuple[str, str, str]:
    """An internet gateway, an address and a NAT gateway in the network."""
    ec2 = aws.client("ec2")
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=built.vpc)
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = ec2.create_nat_gateway(SubnetId=built.subnet, AllocationId=address)["NatGateway"]
    return gateway, address, nat["NatGatewayId"]


def nat_state(aws: AwsServer, nat: str) -> str:
    answer = aws.client("ec2").describe_nat_gateways(NatGatewayIds=[nat])
    return str(answer["NatGateways"][0]["State"])


def test_subnet_and_group_of_an_instance(aws: AwsServer) -> None:
    ec2, built = aws.client("ec2"), network(aws)
    aws.settings(shutting_down_seconds=60)
    ids = launch(aws, SubnetId=built.subnet, SecurityGroupIds=[built.group])
    ec2.terminate_instances(InstanceIds=ids)

    while_it_shuts_down = (
        refusal(ec2.delete_subnet, SubnetId=built.subnet),
        refusal(ec2.delete_security_group, GroupId=built.group),
    )

    assert while_it_shuts_down == ("DependencyViolation", "DependencyViolation")
    aws.advance(60)
    ec2.delete_subnet(SubnetId=built.subnet)
    ec2.delete_security_group(GroupId=built.group)
    ec2.delete_vpc(VpcId=built.vpc)


def test_group_that_another_refers_to(aws: AwsServer) -> None:
    ec2, built = aws.client("ec2"), network(aws)
    other = ec2.create_security_group(VpcId=built.vpc, GroupName="files", Description="files")
    rule = [
        {
            "IpProtocol": "tcp",
            "FromPort": 2049,
            "ToPort": 2049,
            "UserIdGroupPairs": [{"GroupId": built.group}],
        }
    ]
    ec2.authorize_security_group_ingress(GroupId=other["GroupId"], IpPermissions=rule)

    assert refusal(ec2.delete_security_group, GroupId=built.group) == "DependencyViolation"
    ec2.revoke_security_group_ingress(GroupId=other["GroupId"], IpPermissions=rule)
    ec2.delete_security_group(GroupId=built.group)


def test_group_that_refers_to_itself_only_can_go(aws: AwsServer) -> None:
    ec2, built = aws.client("ec2"), network(aws)
    rule = [{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": built.group}]}]
    ec2.authorize_security_group_ingress(GroupId=built.group, IpPermissions=rule)

    ec2.delete_security_group(GroupId=built.group)

    of_vpc = [{"Name": "vpc-id", "Values": [built.vpc]}]
    groups = ec2.describe_security_groups(Filters=of_vpc)["SecurityGroups"]
    assert [group["GroupName"] for group in groups] == ["default"]


def test_default_group_and_main_route_table(aws: AwsServer) -> None:
    ec2, built = aws.client("ec2"), network(aws)
    of_vpc = [{"Name": "vpc-id", "Values": [built.vpc]}]
    groups = ec2.describe_security_groups(Filters=of_vpc)["SecurityGroups"]
    default = next(group for group in groups if group["GroupName"] == "default")
    table = ec2.describe_route_tables(Filters=of_vpc)["RouteTables"][0]

    assert refusal(ec2.delete_security_group, GroupId=default["GroupId"]) == "CannotDelete"
    assert (
        refusal(ec2.delete_route_table, RouteTableId=table["RouteTableId"]) == "DependencyViolation"
    )


def test_internet_gateway_and_address_under_a_nat_gateway(aws: AwsServer) -> None:
    ec2, built = aws.client("ec2"), network(aws)
    aws.settings(nat_gateway_seconds=60)
    gateway, address, nat = with_nat(aws, built)
    asked = {"InternetGatewayId": gateway, "VpcId": built.vpc}

    assert nat_state(aws, nat) == "pending"
    aws.advance(60)
    assert nat_state(aws, nat) == "available"
    assert refusal(ec2.detach_internet_gateway, **asked) == "DependencyViolation"
    assert refusal(ec2.release_address, AllocationId=address) == "InvalidIPAddress.InUse"
    assert refusal(ec2.delete_subnet, SubnetId=built.subnet) == "DependencyViolation"
    ec2.delete_nat_gateway(NatGatewayId=nat)
    assert nat_state(aws, nat) == "deleting"
    assert refusal(ec2.release_address, AllocationId=address) == "InvalidIPAddress.InUse"
    aws.advance(60)
    assert nat_state(aws, nat) == "deleted"
    ec2.release_address(AllocationId=address)
    ec2.detach_internet_gateway(**asked)
    ec2.delete_internet_gateway(InternetGatewayId=gateway)
    ec2.delete_subnet(SubnetId=built.subnet)


def test_nat_gateway_that_does_not_exist(aws: AwsServer) -> None:
    # plain moto: HTTP 500, which botocore cannot even read
    ec2 = aws.client("ec2")

    assert refusal(ec2.delete_nat_gateway, NatGatewayId="nat-1") == "NatGatewayNotFound"


def test_vpc_with_anything_left_in_it(aws: AwsServer) -> None:
    ec2, built = aws.client("ec2"), network(aws)
    ec2.delete_subnet(SubnetId=built.subnet)
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=built.vpc)
    endpoint = ec2.create_vpc_endpoint(VpcId=built.vpc, ServiceName="com.amazonaws.us-east-2.s3")
    found = []

    found.append(refusal(ec2.delete_vpc, VpcId=built.vpc))
    ec2.delete_security_group(GroupId=built.group)
    found.append(refusal(ec2.delete_vpc, VpcId=built.vpc))
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=built.vpc)
    found.append(refusal(ec2.delete_vpc, VpcId=built.vpc))
    ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint["VpcEndpoint"]["VpcEndpointId"]])
    ec2.delete_vpc(VpcId=built.vpc)

    assert found == ["DependencyViolation"] * 3


def test_file_system_takes_its_time(aws: AwsServer) -> None:
    # plain moto: available at once, gone at once
    efs, ec2, built = aws.client("efs"), aws.client("ec2"), network(aws)
    aws.settings(file_system_seconds=60)
    system = efs.create_file_system(CreationToken="one")
    name = system["FileSystemId"]

    early = refusal(efs.create_mount_target, FileSystemId=name, SubnetId=built.subnet)
    aws.advance(60)
    target = efs.create_mount_target(FileSystemId=name, SubnetId=built.subnet)
    in_use = refusal(ec2.delete_subnet, SubnetId=built.subnet)
    efs.delete_mount_target(MountTargetId=target["MountTargetId"])

    assert (system["LifeCycleState"], target["LifeCycleState"]) == ("creating", "creating")
    assert early == "IncorrectFileSystemLifeCycleState"
    assert in_use == "DependencyViolation"
    assert refusal(efs.delete_file_system, FileSystemId=name) == "FileSystemInUse"
    aws.advance(60)
    assert not efs.describe_mount_targets(FileSystemId=name)["MountTargets"]
    efs.delete_file_system(FileSystemId=name)
    ec2.delete_subnet(SubnetId=built.subnet)


def test_interface_of_a_mount_target_is_not_ours_to_delete(aws: AwsServer) -> None:
    efs, ec2, built = aws.client("efs"), aws.client("ec2"), network(aws)
    aws.settings(file_system_seconds=0)
    name = efs.create_file_system(CreationToken="one")["FileSystemId"]
    target = efs.create_mount_target(FileSystemId=name, SubnetId=built.subnet)

    refused = refusal(ec2.delete_network_interface, NetworkInterfaceId=target["NetworkInterfaceId"])

    assert refused == "InvalidParameterValue"


def test_repeated_access_point_token(aws: AwsServer) -> None:
    # plain moto: a second access point
    efs = aws.client("efs")
    name = efs.create_file_system(CreationToken="one")["FileSystemId"]
    asked = {"FileSystemId": name, "ClientToken": "two"}
    made = efs.create_access_point(**asked)["AccessPointId"]

    with pytest.raises(ClientError) as refused:
        efs.create_access_point(**asked)

    assert code(refused) == "AccessPointAlreadyExists"
    assert refused.value.response["AccessPointId"] == made
