"""Launches. Plain moto would have let every one of these mistakes pass."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from tests.clouds.aws.building import (
    IMAGE,
    code,
    launch,
    network,
    profile,
    states,
    wait_for_state,
)
from tests.clouds.aws.fixtures import AwsServer


def described(aws: AwsServer, ids: list[str]) -> list[dict]:
    answer = aws.client("ec2").describe_instances(InstanceIds=ids)
    return [instance for one in answer["Reservations"] for instance in one["Instances"]]


def test_same_token_is_the_same_launch(aws: AwsServer) -> None:
    # plain moto: four instances
    first = launch(aws, 2, ClientToken="one-token")

    second = launch(aws, 2, ClientToken="one-token")

    assert first == second
    assert len(aws.client("ec2").describe_instances()["Reservations"]) == 1


def test_one_token_at_the_same_time_is_one_launch(aws: AwsServer) -> None:
    # plain moto: eight launches
    aws.client("ec2")
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(launch, aws, 2, ClientToken="one-token") for _ in range(8)]

    assert len({tuple(one.result()) for one in asked}) == 1


def test_capacity_is_not_given_twice(aws: AwsServer) -> None:
    aws.client("ec2")
    aws.settings(capacity=[{"instances": 3}])
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(launch, aws) for _ in range(8)]

    refused = [one.exception() for one in asked]
    assert refused.count(None) == 3


def test_token_with_other_parameters_is_refused(aws: AwsServer) -> None:
    # plain moto: launches
    launch(aws, 1, ClientToken="one-token")

    with pytest.raises(ClientError) as refused:
        launch(aws, 2, ClientToken="one-token")

    assert code(refused) == "IdempotentParameterMismatch"


def test_token_of_a_refused_launch_can_be_used_again(aws: AwsServer) -> None:
    aws.settings(capacity=[{"instances": 0}])
    with pytest.raises(ClientError):
        launch(aws, ClientToken="one-token")

    aws.settings(capacity=[])

    assert launch(aws, ClientToken="one-token")


def test_same_token_is_the_same_nat_gateway(aws: AwsServer) -> None:
    # plain moto: Resource.AlreadyAssociated
    ec2, built = aws.client("ec2"), network(aws)
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    asked = {"SubnetId": built.subnet, "AllocationId": address, "ClientToken": "nat"}

    first, second = (ec2.create_nat_gateway(**asked)["NatGateway"] for _ in range(2))

    assert first["NatGatewayId"] == second["NatGatewayId"]


def test_every_node_has_the_profile(aws: AwsServer) -> None:
    # plain moto: the first node only
    name = profile(aws)

    ids = launch(aws, 3, IamInstanceProfile={"Name": name})

    arns = [instance["IamInstanceProfile"]["Arn"] for instance in described(aws, ids)]
    assert [arn.rpartition("/")[2] for arn in arns] == [name] * 3


def test_efa_interfaces_cpus_tags_and_group_are_kept(aws: AwsServer) -> None:
    # plain moto: "interface", and the rest is lost
    ec2, built = aws.client("ec2"), network(aws)
    ec2.create_placement_group(GroupName="close", Strategy="cluster")
    interface = {
        "DeviceIndex": 0,
        "SubnetId": built.subnet,
        "Groups": [built.group],
        "InterfaceType": "efa",
    }

    ids = launch(
        aws,
        2,
        InstanceType="c5n.18xlarge",
        NetworkInterfaces=[interface],
        Placement={"GroupName": "close"},
        CpuOptions={"CoreCount": 36, "ThreadsPerCore": 1},
        TagSpecifications=[
            {"ResourceType": kind, "Tags": [{"Key": "Name", "Value": kind}]}
            for kind in ("instance", "network-interface")
        ],
    )

    for instance in described(aws, ids):
        nic = instance["NetworkInterfaces"][0]
        assert nic["InterfaceType"] == "efa"
        assert instance["Placement"]["GroupName"] == "close"
        assert instance["CpuOptions"]["CoreCount"] == 36
        kept = ec2.describe_network_interfaces(NetworkInterfaceIds=[nic["NetworkInterfaceId"]])[
            "NetworkInterfaces"
        ][0]
        assert kept["TagSet"] == [{"Key": "Name", "Value": "network-interface"}]
    wanted = [{"Name": "placement-group-name", "Values": ["close"]}]
    assert len(ec2.describe_instances(Filters=wanted)["Reservations"][0]["Instances"]) == 2


def test_efa_on_a_type_without_it_is_refused(aws: AwsServer) -> None:
    # plain moto: launches
    built = network(aws)
    interface = {"DeviceIndex": 0, "SubnetId": built.subnet, "InterfaceType": "efa"}

    with pytest.raises(ClientError) as refused:
        launch(aws, InstanceType="t3.micro", NetworkInterfaces=[interface])

    assert code(refused) == "UnsupportedOperation"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"UserData": "x" * 16_385}, "InvalidParameterValue"),
        ({"InstanceType": "c5.notatype"}, "InvalidParameterValue"),
        ({"ImageId": "ami-00000000000000000"}, "InvalidAMIID.NotFound"),
        ({"KeyName": "nobody"}, "InvalidKeyPair.NotFound"),
        ({"Placement": {"GroupName": "nobody"}}, "InvalidPlacementGroup.Unknown"),
        (
            {"InstanceType": "hpc7a.96xlarge", "Placement": {"AvailabilityZone": "us-east-2a"}},
            "Unsupported",
        ),
    ],
)
def test_launch_that_aws_would_refuse(aws: AwsServer, asked: dict, expected: str) -> None:
    # plain moto: launches all six
    with pytest.raises(ClientError) as refused:
        launch(aws, **asked)

    assert code(refused) == expected


def test_dry_run_does_nothing(aws: AwsServer) -> None:
    # plain moto: makes the VPC
    ec2 = aws.client("ec2")
    before = len(ec2.describe_vpcs()["Vpcs"])

    with pytest.raises(ClientError) as said:
        ec2.create_vpc(CidrBlock="10.9.0.0/16", DryRun=True)

    assert code(said) == "DryRunOperation"
    assert len(ec2.describe_vpcs()["Vpcs"]) == before


def test_instance_passes_through_its_phases(aws: AwsServer) -> None:
    # plain moto: running, stopped, running, terminated, all at once
    ec2 = aws.client("ec2")
    aws.settings(pending_seconds=60, stopping_seconds=60, shutting_down_seconds=60)
    seen = []

    def look() -> None:
        for _ in range(2):
            seen.extend(states(aws, ids))
            aws.advance(60)

    ids = launch(aws)
    look()
    ec2.stop_instances(InstanceIds=ids)
    look()
    ec2.start_instances(InstanceIds=ids)
    look()
    ec2.terminate_instances(InstanceIds=ids)
    look()

    assert seen == [
        *("pending", "running", "stopping", "stopped"),
        *("pending", "running", "shutting-down", "terminated"),
    ]


def test_phase_ends_by_itself(aws: AwsServer) -> None:
    ids = launch(aws)

    wait_for_state(aws, ids, "running")


def test_terminating_a_pending_instance_ends_it(aws: AwsServer) -> None:
    aws.settings(pending_seconds=30, shutting_down_seconds=60)
    ids = launch(aws)

    aws.client("ec2").terminate_instances(InstanceIds=ids)

    aws.advance(40)
    assert states(aws, ids) == {"shutting-down"}
    aws.advance(40)
    assert states(aws, ids) == {"terminated"}


@pytest.mark.parametrize("action", ["start_instances", "stop_instances"])
def test_terminated_instance_takes_no_orders(aws: AwsServer, action: str) -> None:
    # plain moto: starts it again
    ec2, ids = aws.client("ec2"), launch(aws)
    ec2.terminate_instances(InstanceIds=ids)

    with pytest.raises(ClientError) as refused:
        getattr(ec2, action)(InstanceIds=ids)

    assert code(refused) == "IncorrectInstanceState"


def test_spot_instance_cannot_be_stopped(aws: AwsServer) -> None:
    # plain moto: stops it
    ids = launch(aws, InstanceMarketOptions={"MarketType": "spot"})
    aws.advance(1)

    with pytest.raises(ClientError) as refused:
        aws.client("ec2").stop_instances(InstanceIds=ids)

    assert code(refused) == "UnsupportedOperation"


def test_terminated_instance_is_forgotten(aws: AwsServer) -> None:
    # plain moto: listed for ever
    aws.settings(shutting_down_seconds=0)
    ec2, ids = aws.client("ec2"), launch(aws)

    ec2.terminate_instances(InstanceIds=ids)

    assert states(aws, ids) == {"terminated"}
    aws.advance(3600)
    assert not ec2.describe_instances()["Reservations"]
    with pytest.raises(ClientError) as unknown:
        states(aws, ids)
    assert code(unknown) == "InvalidInstanceID.NotFound"


def test_interfaces_go_with_their_instance(aws: AwsServer) -> None:
    # plain moto: they stay for ever, so waiting for none of them never ends
    ec2, built = aws.client("ec2"), network(aws)
    of_vpc = [{"Name": "vpc-id", "Values": [built.vpc]}]
    ids = launch(aws, 2, SubnetId=built.subnet)
    assert len(ec2.describe_network_interfaces(Filters=of_vpc)["NetworkInterfaces"]) == 2

    ec2.terminate_instances(InstanceIds=ids)

    aws.advance(1)
    assert not ec2.describe_network_interfaces(Filters=of_vpc)["NetworkInterfaces"]


def test_as_many_as_there_are_between_least_and_most(aws: AwsServer) -> None:
    # plain moto: always the least
    aws.settings(capacity=[{"instance_type": "c5.*", "instances": 3}])

    ids = launch(aws, MinCount=2, MaxCount=5)

    assert len(ids) == 3


def test_no_capacity_in_one_zone(aws: AwsServer) -> None:
    # plain moto: launches anything anywhere
    aws.settings(capacity=[{"instance_type": "c5.*", "zone": "us-east-2a", "instances": 1}])
    launch(aws, Placement={"AvailabilityZone": "us-east-2a"})

    with pytest.raises(ClientError) as refused:
        launch(aws, Placement={"AvailabilityZone": "us-east-2a"})

    assert code(refused) == "InsufficientInstanceCapacity"
    # The status is why botocore repeats it by itself, unless it is told not to.
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert launch(aws, Placement={"AvailabilityZone": "us-east-2b"})


def test_start_of_a_stopped_instance_needs_capacity(aws: AwsServer) -> None:
    # plain moto: starts it
    ec2, ids = aws.client("ec2"), launch(aws)
    aws.advance(1)
    ec2.stop_instances(InstanceIds=ids)
    aws.advance(1)
    aws.settings(capacity=[{"instances": 0}])

    with pytest.raises(ClientError) as refused:
        ec2.start_instances(InstanceIds=ids)

    assert code(refused) == "InsufficientInstanceCapacity"
    assert states(aws, ids) == {"stopped"}


def test_vcpu_quota_is_enforced_and_told(aws: AwsServer) -> None:
    # plain moto: launches, and knows no quota of EC2
    aws.settings(quotas={"L-1216C47A": 4})
    told = aws.client("service-quotas").get_service_quota(ServiceCode="ec2", QuotaCode="L-1216C47A")
    launch(aws, 2)

    with pytest.raises(ClientError) as refused:
        launch(aws)

    assert told["Quota"]["Value"] == 4
    assert code(refused) == "VcpuLimitExceeded"


def test_quota_of_vpcs_and_addresses(aws: AwsServer) -> None:
    # plain moto: no end
    ec2 = aws.client("ec2")
    aws.settings(quotas={"L-F678F1CE": 2, "L-0263D0A3": 1})
    ec2.create_vpc(CidrBlock="10.9.0.0/16")
    ec2.allocate_address(Domain="vpc")

    with pytest.raises(ClientError) as vpc:
        ec2.create_vpc(CidrBlock="10.8.0.0/16")
    with pytest.raises(ClientError) as address:
        ec2.allocate_address(Domain="vpc")

    assert (code(vpc), code(address)) == ("VpcLimitExceeded", "AddressLimitExceeded")


def test_instance_types_come_in_pages(aws: AwsServer) -> None:
    # plain moto: all 1,395 in one answer
    ec2 = aws.client("ec2")

    first = ec2.describe_instance_types()
    rest = ec2.get_paginator("describe_instance_types").paginate(
        Filters=[{"Name": "instance-type", "Values": ["c5*"]}], PaginationConfig={"PageSize": 10}
    )

    assert len(first["InstanceTypes"]) == 100
    assert first["NextToken"]
    names = [kind["InstanceType"] for page in rest for kind in page["InstanceTypes"]]
    assert len(names) == len(set(names)) > 20


def test_vpcs_come_in_pages(aws: AwsServer) -> None:
    # plain moto: ignores MaxResults
    ec2 = aws.client("ec2")
    aws.settings(quotas={"L-F678F1CE": 20})
    for number in range(6):
        ec2.create_vpc(CidrBlock=f"10.{number}.0.0/16")

    first = ec2.describe_vpcs(MaxResults=5)
    second = ec2.describe_vpcs(MaxResults=5, NextToken=first["NextToken"])

    assert [len(page["Vpcs"]) for page in (first, second)] == [5, 2]
    with pytest.raises(ClientError) as refused:
        ec2.describe_vpcs(MaxResults=5, NextToken="made up")
    assert code(refused) == "InvalidNextToken"


def test_image_of_these_tests_is_there(aws: AwsServer) -> None:
    assert aws.client("ec2").describe_images(ImageIds=[IMAGE])["Images"]
