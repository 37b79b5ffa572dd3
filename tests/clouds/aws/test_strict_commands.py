"""Commands of Systems Manager. Plain moto runs none and answers Success to all of them."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.clouds.aws.building import code, launch, node, profile
from tests.clouds.aws.fixtures import AwsServer
from tests.waiting import wait_until


def send(aws: AwsServer, *lines: str, instances: list[str], **asked: Any) -> str:
    parameters = {"commands": list(lines), **asked.pop("parameters", {})}
    answer = aws.client("ssm").send_command(
        DocumentName="AWS-RunShellScript",
        InstanceIds=instances,
        Parameters=parameters,
        **asked,
    )
    return str(answer["Command"]["CommandId"])


def invocation(aws: AwsServer, command: str, instance: str) -> dict[str, Any]:
    return dict(aws.client("ssm").get_command_invocation(CommandId=command, InstanceId=instance))


def ended(aws: AwsServer, command: str, instance: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found = invocation(aws, command, instance)
        return None if found["Status"] in ("Pending", "InProgress", "Cancelling") else found

    found = wait_until(look)
    assert found
    return found


def test_exit_code_and_output_are_those_of_the_shell(aws: AwsServer) -> None:
    # plain moto: Success, 0, nothing
    name = node(aws)

    found = ended(aws, send(aws, "echo out", "echo err >&2", "exit 3", instances=[name]), name)

    assert (found["Status"], found["ResponseCode"]) == ("Failed", 3)
    assert found["StandardOutputContent"] == "out\n"
    assert found["StandardErrorContent"].startswith("err\n")


def test_each_node_has_its_own_folder_and_address(aws: AwsServer) -> None:
    role = {"Name": profile(aws)}
    names = launch(aws, 2, IamInstanceProfile=role)
    aws.advance(1)

    command = send(aws, 'cd "$BODO_NODE_ROOT" && pwd && echo "$BODO_NODE_ADDRESS"', instances=names)

    outputs = [ended(aws, command, name)["StandardOutputContent"].split() for name in names]
    assert [output[0].rpartition("/")[2] for output in outputs] == names
    addresses = {output[1] for output in outputs}
    assert len(addresses) == 2
    assert all(address.startswith("127.") for address in addresses)


def test_commands_see_nothing_of_our_environment(
    aws: AwsServer,
) -> None:
    name = node(aws)

    output = ended(aws, send(aws, "env", instances=[name]), name)["StandardOutputContent"]

    seen = {line.partition("=")[0] for line in output.splitlines()}
    assert {"BODO_NODE_ROOT", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"} <= seen
    assert not {one for one in seen if one.startswith(("PYTEST", "DJANGO", "VIRTUAL_ENV"))}


def test_output_is_cut_at_24000_characters(aws: AwsServer) -> None:
    name = node(aws)

    command = send(aws, "head -c 30000 /dev/zero | tr '\\0' x", instances=[name])

    assert len(ended(aws, command, name)["StandardOutputContent"]) == 24_000


def test_whole_output_goes_to_the_bucket(aws: AwsServer) -> None:
    # plain moto: nothing is written
    s3, name = aws.client("s3"), node(aws)
    s3.create_bucket(Bucket="logs", CreateBucketConfiguration={"LocationConstraint": "us-east-2"})

    command = send(
        aws,
        "head -c 30000 /dev/zero | tr '\\0' x",
        instances=[name],
        OutputS3BucketName="logs",
        OutputS3KeyPrefix="runs",
    )

    ended(aws, command, name)
    key = f"runs/{command}/{name}/awsrunShellScript/0.awsrunShellScript/stdout"
    assert len(s3.get_object(Bucket="logs", Key=key)["Body"].read()) == 30_000


def test_running_command_can_be_cancelled(aws: AwsServer) -> None:
    # plain moto: HTTP 500
    ssm, name = aws.client("ssm"), node(aws)
    command = send(aws, "sleep 600", instances=[name])
    wait_until(lambda: invocation(aws, command, name)["Status"] == "InProgress")

    ssm.cancel_command(CommandId=command)

    assert ended(aws, command, name)["Status"] == "Cancelled"
    assert ssm.list_commands(CommandId=command)["Commands"][0]["Status"] == "Cancelled"


def test_command_over_its_time_is_ended(aws: AwsServer) -> None:
    name = node(aws)

    command = send(aws, "sleep 600", instances=[name], parameters={"executionTimeout": ["1"]})

    assert ended(aws, command, name)["Status"] == "TimedOut"


def test_node_that_goes_away_never_reports(aws: AwsServer) -> None:
    name = node(aws)
    command = send(aws, "sleep 600", instances=[name], parameters={"executionTimeout": ["900"]})
    wait_until(lambda: invocation(aws, command, name)["Status"] == "InProgress")

    aws.client("ec2").terminate_instances(InstanceIds=[name])

    aws.advance(800)
    assert invocation(aws, command, name)["Status"] == "InProgress"
    wait_until(lambda: aws.advance(200) or invocation(aws, command, name)["Status"] == "TimedOut")


@pytest.mark.parametrize("policy", ["", "arn:aws:iam::aws:policy/AmazonS3FullAccess"])
def test_instance_without_the_right_profile_is_not_reached(aws: AwsServer, policy: str) -> None:
    # plain moto: Success
    asked = {"IamInstanceProfile": {"Name": profile(aws, policy=policy)}} if policy else {}
    names = launch(aws, **asked)
    aws.advance(1)

    with pytest.raises(ClientError) as refused:
        send(aws, "true", instances=names)

    assert code(refused) == "InvalidInstanceId"


def test_pending_instance_is_not_reached(aws: AwsServer) -> None:
    # plain moto: Success
    aws.settings(pending_seconds=60)
    names = launch(aws, IamInstanceProfile={"Name": profile(aws)})

    with pytest.raises(ClientError) as refused:
        send(aws, "true", instances=names)

    assert code(refused) == "InvalidInstanceId"
    assert aws.client("ssm").describe_instance_information()["InstanceInformationList"] == []


def test_unknown_document_and_unknown_invocation(aws: AwsServer) -> None:
    # plain moto: Success
    ssm, name = aws.client("ssm"), node(aws)

    with pytest.raises(ClientError) as document:
        ssm.send_command(DocumentName="Nothing", InstanceIds=[name], Parameters={})
    with pytest.raises(ClientError) as unknown:
        invocation(aws, "00000000-0000-0000-0000-000000000000", name)

    assert (code(document), code(unknown)) == ("InvalidDocument", "InvocationDoesNotExist")


def test_invocation_is_not_known_at_once(aws: AwsServer) -> None:
    # plain moto: at once
    name = node(aws)
    aws.settings(invocation_lag_seconds=60)
    command = send(aws, "true", instances=[name])

    with pytest.raises(ClientError) as early:
        invocation(aws, command, name)

    assert code(early) == "InvocationDoesNotExist"
    aws.advance(60)
    assert ended(aws, command, name)["Status"] == "Success"


def test_agents_and_invocations_are_listed(aws: AwsServer) -> None:
    # plain moto: HTTP 500
    ssm, name = aws.client("ssm"), node(aws)
    command = send(aws, "echo hello", instances=[name])
    ended(aws, command, name)

    agents = ssm.describe_instance_information(Filters=[{"Key": "InstanceIds", "Values": [name]}])[
        "InstanceInformationList"
    ]
    listed = ssm.list_command_invocations(CommandId=command, Details=True)["CommandInvocations"]

    assert [(one["InstanceId"], one["PingStatus"]) for one in agents] == [(name, "Online")]
    assert listed[0]["CommandPlugins"][0]["Output"] == "hello\n"


def test_targets_by_tag(aws: AwsServer) -> None:
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "cluster", "Value": "one"}]}]
    name = node(aws, TagSpecifications=tags)

    answer = aws.client("ssm").send_command(
        DocumentName="AWS-RunShellScript",
        Targets=[{"Key": "tag:cluster", "Values": ["one"]}],
        Parameters={"commands": ["true"]},
    )

    assert answer["Command"]["InstanceIds"] == [name]
