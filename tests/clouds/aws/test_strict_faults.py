"""Faults, the log of calls, the lag: what plain moto cannot be made to do."""

from __future__ import annotations

import subprocess
import sys

import psutil
import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from tests.clouds.aws.building import IMAGE, code, launch
from tests.clouds.aws.fixtures import AwsServer
from tests.waiting import wait_until


def instances(aws: AwsServer) -> int:
    found = aws.client("ec2").describe_instances()["Reservations"]
    return sum(len(reservation["Instances"]) for reservation in found)


def test_nth_call_fails_and_the_next_does_not(aws: AwsServer) -> None:
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="mine", CreateBucketConfiguration={"LocationConstraint": "us-east-2"})
    aws.faults({"match": "s3.Put*", "kind": "error", "code": "AccessDenied", "nth": 2})

    s3.put_object(Bucket="mine", Key="1", Body=b"1")
    with pytest.raises(ClientError) as refused:
        s3.put_object(Bucket="mine", Key="2", Body=b"2")
    s3.put_object(Bucket="mine", Key="3", Body=b"3")

    assert code(refused) == "AccessDenied"
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket="mine")["Contents"]]
    assert keys == ["1", "3"]
    assert [(one["seen"], one["hits"]) for one in aws.planned_faults()] == [(3, 1)]


@pytest.mark.parametrize(
    ("service", "call", "expected"),
    [
        ("ec2", "describe_vpcs", "RequestLimitExceeded"),
        ("dynamodb", "list_tables", "ThrottlingException"),
        ("s3", "list_buckets", "SlowDown"),
        ("iam", "list_roles", "Throttling"),
        ("efs", "describe_file_systems", "ThrottlingException"),
        ("ssm", "list_commands", "ThrottlingException"),
        ("sts", "get_caller_identity", "Throttling"),
    ],
)
def test_throttle_in_the_words_of_each_service(
    aws: AwsServer, service: str, call: str, expected: str
) -> None:
    aws.faults({"match": f"{service}.*", "kind": "throttle"})

    with pytest.raises(ClientError) as refused:
        getattr(aws.client(service), call)()

    assert code(refused) == expected
    assert getattr(aws.client(service), call)()


def test_answer_lost_after_the_effect_and_repeated(aws: AwsServer) -> None:
    # plain moto with the same fault: four instances
    aws.faults({"match": "ec2.RunInstances", "kind": "drop_after"})
    ec2 = aws.client("ec2", attempts=2)

    ec2.run_instances(
        ImageId=IMAGE, InstanceType="c5.large", MinCount=2, MaxCount=2, ClientToken="one"
    )

    assert aws.calls("ec2.RunInstances")["counts"] == {"ec2.RunInstances": 2}
    assert instances(aws) == 2


@pytest.mark.parametrize(("kind", "left"), [("drop_before", 0), ("drop_after", 1)])
def test_connection_that_ends(aws: AwsServer, kind: str, left: int) -> None:
    aws.faults({"match": "ec2.RunInstances", "kind": kind})

    with pytest.raises(ConnectionClosedError):
        launch(aws)

    assert instances(aws) == left
    assert aws.calls("ec2.RunInstances")["calls"][0]["status"] == 0


def test_fault_for_one_type_in_one_zone(aws: AwsServer) -> None:
    aws.faults(
        {
            "match": "ec2.RunInstances",
            "kind": "error",
            "code": "Unsupported",
            "instance_type": "c5.*",
            "zone": "us-east-2a",
            "times": 0,
        }
    )
    subnets = {
        one["AvailabilityZone"]: one["SubnetId"]
        for one in aws.client("ec2").describe_subnets()["Subnets"]
    }

    assert launch(aws, SubnetId=subnets["us-east-2b"])
    assert launch(aws, InstanceType="m5.large", SubnetId=subnets["us-east-2a"])
    with pytest.raises(ClientError) as refused:
        launch(aws, SubnetId=subnets["us-east-2a"])
    assert code(refused) == "Unsupported"


def test_server_error_and_delay(aws: AwsServer) -> None:
    aws.faults(
        {"match": "sts.*", "kind": "http500"},
        {"match": "dynamodb.*", "kind": "delay", "seconds": 0.2},
    )

    with pytest.raises(Exception, match=r"500|Unable to parse"):
        aws.client("sts").get_caller_identity()

    assert aws.client("dynamodb").list_tables()["TableNames"] == []


def test_fault_of_unknown_kind_is_refused(aws: AwsServer) -> None:
    with pytest.raises(OSError, match="400"):
        aws.faults({"match": "*", "kind": "explode"})


def test_calls_since_a_cursor(aws: AwsServer) -> None:
    aws.client("sts").get_caller_identity()
    cursor = aws.calls()["cursor"]
    aws.client("efs").describe_file_systems()
    aws.client("service-quotas").list_service_quotas(ServiceCode="ec2")

    found = aws.calls(since=cursor)

    assert found["counts"] == {
        "efs.DescribeFileSystems": 1,
        "service-quotas.ListServiceQuotas": 1,
    }
    assert found["cursor"] == cursor + 2


def test_faults_reach_every_process(aws: AwsServer) -> None:
    aws.faults({"match": "sts.GetCallerIdentity", "kind": "error", "code": "AccessDenied"})
    script = (
        "import boto3\n"
        "client = boto3.client('sts', endpoint_url=%r, region_name='us-east-2',"
        " aws_access_key_id='a', aws_secret_access_key='b')\n"
        "try: client.get_caller_identity()\n"
        "except Exception as problem: print(problem.response['Error']['Code'])\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script % aws.url], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "AccessDenied"


def test_what_was_just_made_is_not_found_yet(aws: AwsServer) -> None:
    # plain moto: found at once, so a second look never makes a second VPC
    ec2 = aws.client("ec2")
    aws.settings(lag_seconds=60)
    before = len(ec2.describe_vpcs()["Vpcs"])

    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.1.0/24")
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]

    assert len(ec2.describe_vpcs()["Vpcs"]) == before
    assert not ec2.describe_addresses()["Addresses"]
    with pytest.raises(ClientError) as unknown:
        ec2.describe_vpcs(VpcIds=[vpc])
    assert code(unknown) == "InvalidVpcID.NotFound"
    aws.advance(60)
    assert len(ec2.describe_vpcs()["Vpcs"]) == before + 1
    assert ec2.describe_addresses()["Addresses"][0]["AllocationId"] == address


def test_what_was_just_deleted_is_still_listed(aws: AwsServer) -> None:
    # plain moto: gone at once
    ec2 = aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    aws.settings(lag_seconds=60)
    ec2.describe_vpcs()

    ec2.delete_vpc(VpcId=vpc)

    assert ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"]
    with pytest.raises(ClientError):
        ec2.delete_vpc(VpcId=vpc)
    aws.advance(60)
    assert vpc not in [one["VpcId"] for one in ec2.describe_vpcs()["Vpcs"]]


def test_reset_forgets_everything(aws: AwsServer) -> None:
    aws.settings(pending_seconds=60)
    aws.faults({"match": "*", "kind": "http500", "nth": 100})
    launch(aws, ClientToken="one")

    aws.reset()

    assert instances(aws) == 0
    assert aws.planned_faults() == []
    assert aws.settings()["pending_seconds"] < 1
    assert aws.calls()["counts"] == {"ec2.DescribeInstances": 1}
    assert launch(aws, ClientToken="one")


def test_unknown_setting_is_refused(aws: AwsServer) -> None:
    with pytest.raises(OSError, match="400"):
        aws.settings(pendingseconds=1)


def test_server_listens_on_loopback_only(aws: AwsServer) -> None:
    listening = [one for one in psutil.net_connections() if one.laddr.port == aws.port]

    assert {one.laddr.ip for one in listening} == {"127.0.0.1"}


@pytest.mark.e2e
def test_server_ends_with_its_parent() -> None:
    script = (
        "import json, os\n"
        "from tests.clouds.aws.fixtures import AwsServer\n"
        "server = AwsServer()\n"
        "print(server.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )

    pid = int(done.stdout)
    try:
        wait_until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie")
    finally:
        if psutil.pid_exists(pid):
            psutil.Process(pid).kill()
