"""Who may do what. Plain moto lets nearly everybody in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.clouds.aws.building import code, launch, profile, trusting_role
from tests.clouds.aws.fixtures import CUSTOMER, AwsServer


def allow(*actions: str, resource: Any = "*", **more: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource, **more}
    return {"Version": "2012-10-17", "Statement": [statement]}


def assume(aws: AwsServer, arn: str, **asked: Any) -> dict[str, Any]:
    answer = aws.client("sts").assume_role(RoleArn=arn, RoleSessionName="test", **asked)
    return dict(answer["Credentials"])


def test_right_external_id_opens_the_customers_account(aws: AwsServer) -> None:
    arn = trusting_role(aws, "secret")

    found = assume(aws, arn, ExternalId="secret")

    keys = (found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])
    assert aws.client("sts", keys=keys).get_caller_identity()["Account"] == CUSTOMER


@pytest.mark.parametrize("asked", [{"ExternalId": "guess"}, {}])
def test_wrong_or_missing_external_id_is_refused(aws: AwsServer, asked: dict[str, str]) -> None:
    # plain moto: in
    arn = trusting_role(aws, "secret")

    with pytest.raises(ClientError) as refused:
        assume(aws, arn, **asked)

    assert code(refused) == "AccessDenied"


def test_unknown_role_is_refused(aws: AwsServer) -> None:
    # plain moto: in
    with pytest.raises(ClientError) as refused:
        assume(aws, f"arn:aws:iam::{CUSTOMER}:role/nobody", ExternalId="secret")

    assert code(refused) == "AccessDenied"


def test_role_that_trusts_another_account_is_refused(aws: AwsServer) -> None:
    # plain moto: in
    arn = trusting_role(aws, "secret")
    stranger = aws.client("sts", account="999900001111")

    with pytest.raises(ClientError) as refused:
        stranger.assume_role(RoleArn=arn, RoleSessionName="test", ExternalId="secret")

    assert code(refused) == "AccessDenied"


def test_role_that_trusts_one_user_lets_no_other_in(aws: AwsServer) -> None:
    # plain moto: in
    iam = aws.client("iam", account=CUSTOMER)
    ada, eve = (aws.keys(name, allow("sts:*")) for name in ("ada", "eve"))
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{CUSTOMER}:user/ada"},
        "Action": "sts:AssumeRole",
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": statement})
    arn = iam.create_role(RoleName="hers", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    asked = {"RoleArn": arn, "RoleSessionName": "test"}

    assert aws.client("sts", keys=ada).assume_role(**asked)
    with pytest.raises(ClientError) as refused:
        aws.client("sts", keys=eve).assume_role(**asked)

    assert code(refused) == "AccessDenied"


def test_session_longer_than_the_role_allows(aws: AwsServer) -> None:
    # plain moto: any length
    arn = trusting_role(aws, "secret")

    with pytest.raises(ClientError) as refused:
        assume(aws, arn, ExternalId="secret", DurationSeconds=7200)

    assert code(refused) == "ValidationError"


@pytest.mark.parametrize(
    ("service", "call", "expected"),
    [
        ("ec2", "describe_vpcs", "RequestExpired"),
        ("s3", "list_buckets", "ExpiredToken"),
        ("sts", "get_caller_identity", "ExpiredToken"),
        ("dynamodb", "list_tables", "ExpiredTokenException"),
    ],
)
def test_session_that_is_over(aws: AwsServer, service: str, call: str, expected: str) -> None:
    # plain moto: never over
    found = assume(aws, trusting_role(aws, "secret"), ExternalId="secret", DurationSeconds=900)
    keys = (found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])
    client = aws.client(service, keys=keys)
    aws.advance(800)
    assert getattr(client, call)()

    aws.advance(100)

    with pytest.raises(ClientError) as refused:
        getattr(client, call)()
    assert code(refused) == expected


def simulated(aws: AwsServer, action: str, **asked: Any) -> str:
    answer = aws.client("iam", account=CUSTOMER).simulate_principal_policy(
        PolicySourceArn=f"arn:aws:iam::{CUSTOMER}:role/bodo", ActionNames=[action], **asked
    )
    return str(answer["EvaluationResults"][0]["EvalDecision"])


def test_simulation_reads_the_policies_of_the_role(aws: AwsServer) -> None:
    # plain moto: HTTP 500
    trusting_role(aws, "secret")
    policy = allow("ec2:Describe*", "ec2:RunInstances")
    mine = "arn:aws:s3:::mine/*"
    policy["Statement"].append({"Effect": "Allow", "Action": "s3:*", "Resource": mine})
    policy["Statement"].append({"Effect": "Deny", "Action": "s3:Delete*", "Resource": "*"})
    aws.client("iam", account=CUSTOMER).put_role_policy(
        RoleName="bodo", PolicyName="own", PolicyDocument=json.dumps(policy)
    )

    found = [
        simulated(aws, "ec2:DescribeVpcs"),
        simulated(aws, "EC2:runinstances"),
        simulated(aws, "ec2:CreateVpc"),
        simulated(aws, "s3:PutObject", ResourceArns=["arn:aws:s3:::mine/key"]),
        simulated(aws, "s3:PutObject", ResourceArns=["arn:aws:s3:::other/key"]),
        simulated(aws, "s3:DeleteObject", ResourceArns=["arn:aws:s3:::mine/key"]),
    ]

    assert found == [
        "allowed",
        "allowed",
        "implicitDeny",
        "allowed",
        "implicitDeny",
        "explicitDeny",
    ]


def test_simulation_with_conditions(aws: AwsServer) -> None:
    trusting_role(aws, "secret")
    tagged = {"StringEquals": {"aws:ResourceTag/bodo:managed": "yes"}}
    aws.client("iam", account=CUSTOMER).put_role_policy(
        RoleName="bodo",
        PolicyName="own",
        PolicyDocument=json.dumps(allow("ec2:TerminateInstances", Condition=tagged)),
    )

    def decision(*values: str) -> str:
        entry = {
            "ContextKeyName": "aws:ResourceTag/bodo:managed",
            "ContextKeyValues": list(values),
            "ContextKeyType": "string",
        }
        return simulated(aws, "ec2:TerminateInstances", ContextEntries=[entry] if values else [])

    assert [decision("yes"), decision("no"), decision()] == [
        "allowed",
        "implicitDeny",
        "implicitDeny",
    ]


def test_simulation_of_attached_policies_in_pages(aws: AwsServer) -> None:
    trusting_role(aws, "secret")
    iam = aws.client("iam", account=CUSTOMER)
    iam.attach_role_policy(RoleName="bodo", PolicyArn="arn:aws:iam::aws:policy/AmazonS3FullAccess")
    asked = {
        "PolicySourceArn": f"arn:aws:iam::{CUSTOMER}:role/bodo",
        "ActionNames": ["s3:PutObject", "s3:GetObject", "ec2:RunInstances"],
    }

    first = iam.simulate_principal_policy(**asked, MaxItems=2)
    pages = iam.get_paginator("simulate_principal_policy").paginate(
        **asked, PaginationConfig={"PageSize": 2}
    )

    assert first["IsTruncated"]
    found = [one["EvalDecision"] for page in pages for one in page["EvaluationResults"]]
    assert found == ["allowed", "allowed", "implicitDeny"]


@pytest.mark.parametrize(
    ("service", "call", "unknown_key", "no_right"),
    [
        ("dynamodb", "list_tables", "UnrecognizedClientException", "AccessDeniedException"),
        ("ssm", "list_commands", "UnrecognizedClientException", "AccessDeniedException"),
        ("ec2", "describe_vpcs", "AuthFailure", "UnauthorizedOperation"),
        ("iam", "list_roles", "InvalidClientTokenId", "AccessDenied"),
        ("s3", "list_buckets", "InvalidAccessKeyId", "AccessDenied"),
    ],
)
def test_refusals_in_the_words_of_each_service(
    aws: AwsServer, service: str, call: str, unknown_key: str, no_right: str
) -> None:
    # plain moto: DynamoDB and Systems Manager "403", EC2 "AccessDenied"
    poor = aws.keys("poor", allow("sts:GetCallerIdentity"))
    aws.settings(enforce_iam=True)

    with pytest.raises(ClientError) as unknown:
        getattr(aws.client(service, keys=("AKIAUNKNOWN000000000", "x")), call)()
    with pytest.raises(ClientError) as poorly:
        getattr(aws.client(service, keys=poor), call)()

    assert (code(unknown), code(poorly)) == (unknown_key, no_right)


def test_policy_is_enforced_by_action(aws: AwsServer) -> None:
    # plain moto: refuses an Allow with a condition, asks for "monitoring:ListMetrics", and finds
    # the signature of every GET of EFS wrong
    keys = aws.keys(
        "reader",
        allow(
            "ec2:DescribeVpcs",
            "cloudwatch:ListMetrics",
            "elasticfilesystem:DescribeFileSystems",
            Condition={"StringEquals": {"aws:RequestedRegion": "us-east-2"}},
        ),
    )
    aws.settings(enforce_iam=True)

    assert aws.client("ec2", keys=keys).describe_vpcs()["Vpcs"]
    assert aws.client("cloudwatch", keys=keys).list_metrics()["Metrics"] == []
    assert aws.client("efs", keys=keys).describe_file_systems()["FileSystems"] == []
    with pytest.raises(ClientError) as refused:
        aws.client("ec2", keys=keys).create_vpc(CidrBlock="10.9.0.0/16")
    assert code(refused) == "UnauthorizedOperation"


def test_wrong_secret_is_refused(aws: AwsServer) -> None:
    key, _ = aws.keys("reader", allow("*"))
    aws.settings(enforce_iam=True)
    mistaken = {"keys": (key, "not-the-secret")}

    with pytest.raises(ClientError) as ec2:
        aws.client("ec2", **mistaken).describe_vpcs()
    with pytest.raises(ClientError) as dynamodb:
        aws.client("dynamodb", **mistaken).list_tables()

    assert (code(ec2), code(dynamodb)) == ("AuthFailure", "InvalidSignatureException")


def test_session_is_limited_by_the_policy_of_its_role(aws: AwsServer) -> None:
    arn = trusting_role(aws, "secret")
    aws.client("iam", account=CUSTOMER).put_role_policy(
        RoleName="bodo", PolicyName="own", PolicyDocument=json.dumps(allow("ec2:DescribeVpcs"))
    )
    found = assume(aws, arn, ExternalId="secret")
    keys = (found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])
    aws.settings(enforce_iam=True)

    assert aws.client("ec2", keys=keys).describe_vpcs()["Vpcs"]
    with pytest.raises(ClientError) as refused:
        aws.client("ec2", keys=keys).create_vpc(CidrBlock="10.9.0.0/16")

    assert code(refused) == "UnauthorizedOperation"


def test_role_that_is_not_in_the_profile(aws: AwsServer) -> None:
    # plain moto: HTTP 500
    iam, name = aws.client("iam"), profile(aws)
    asked = {"InstanceProfileName": name, "RoleName": name}
    iam.remove_role_from_instance_profile(**asked)

    with pytest.raises(ClientError) as refused:
        iam.remove_role_from_instance_profile(**asked)

    assert code(refused) == "NoSuchEntity"


@pytest.mark.parametrize("by", ["Name", "Arn"])
def test_profile_is_not_known_at_once(aws: AwsServer, by: str) -> None:
    # plain moto: at once
    old = profile(aws, "old")
    aws.settings(iam_lag_seconds=60)
    aws.advance(60)
    new = profile(aws, "new")
    arn = "arn:aws:iam::123456789012:instance-profile/"

    assert launch(aws, IamInstanceProfile={by: old if by == "Name" else arn + old})
    with pytest.raises(ClientError) as refused:
        launch(aws, IamInstanceProfile={by: new if by == "Name" else arn + new})

    assert code(refused) == "InvalidParameterValue"
    aws.advance(60)
    assert launch(aws, IamInstanceProfile={by: new if by == "Name" else arn + new})


def test_role_is_not_known_at_once(aws: AwsServer) -> None:
    # plain moto: at once
    aws.settings(iam_lag_seconds=60)
    arn = trusting_role(aws, "secret")

    with pytest.raises(ClientError) as refused:
        assume(aws, arn, ExternalId="secret")

    assert code(refused) == "AccessDenied"
    aws.advance(60)
    assert assume(aws, arn, ExternalId="secret")
