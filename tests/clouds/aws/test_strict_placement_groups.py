from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.clouds.aws.building import code, launch
from tests.clouds.aws.fixtures import AwsServer


def test_placement_group_is_made_found_and_removed(aws: AwsServer) -> None:
    # plain moto: HTTP 500
    ec2 = aws.client("ec2")
    tags = [{"ResourceType": "placement-group", "Tags": [{"Key": "owner", "Value": "one"}]}]
    ec2.create_placement_group(GroupName="close", Strategy="cluster", TagSpecifications=tags)

    found = ec2.describe_placement_groups(Filters=[{"Name": "tag:owner", "Values": ["one"]}])[
        "PlacementGroups"
    ]
    ec2.delete_placement_group(GroupName="close")

    assert [(one["GroupName"], one["Strategy"], one["State"]) for one in found] == [
        ("close", "cluster", "available")
    ]
    assert not ec2.describe_placement_groups()["PlacementGroups"]


def test_second_group_of_a_name_is_refused(aws: AwsServer) -> None:
    ec2 = aws.client("ec2")
    ec2.create_placement_group(GroupName="close", Strategy="cluster")

    with pytest.raises(ClientError) as refused:
        ec2.create_placement_group(GroupName="close", Strategy="cluster")

    assert code(refused) == "InvalidPlacementGroup.Duplicate"


def test_unknown_group_is_not_deleted(aws: AwsServer) -> None:
    with pytest.raises(ClientError) as refused:
        aws.client("ec2").delete_placement_group(GroupName="nobody")

    assert code(refused) == "InvalidPlacementGroup.Unknown"


def test_group_with_instances_stays(aws: AwsServer) -> None:
    ec2 = aws.client("ec2")
    ec2.create_placement_group(GroupName="close", Strategy="cluster")
    ids = launch(aws, Placement={"GroupName": "close"})

    with pytest.raises(ClientError) as refused:
        ec2.delete_placement_group(GroupName="close")

    assert code(refused) == "InvalidPlacementGroup.InUse"
    ec2.terminate_instances(InstanceIds=ids)
    aws.advance(1)
    ec2.delete_placement_group(GroupName="close")
