"""A customer's account as the documents' manual process leaves it, for tests of AWS."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from tests.clouds.aws_rules import CUSTOMER, PLATFORM, Aws
from workspaces.clouds.aws.account import Account, Installation
from workspaces.clouds.aws.names import table_arn
from workspaces.clouds.aws.policies import trust_policy, user_policy
from workspaces.clouds.aws.setup import Plan

REGION = "us-east-2"
REGIONS = ("us-east-1", "us-east-2", "us-west-1", "us-west-2")
INSTALLATION = Installation(regions=REGIONS)
EXTERNAL_ID = "external-id-of-acme"
ROLE_ARN = f"arn:aws:iam::{CUSTOMER}:role/BodoPlatformUser"
ACCOUNT = Account(ROLE_ARN, EXTERNAL_ID, REGION, "acme-metadata", "acme-locks")
PLAN = Plan(
    UUID("11111111-2222-4333-8444-555555555555"),
    EXTERNAL_ID,
    REGION,
    "bodo-metadata-1",
    "bodo-locks-1",
)


def make_bucket(aws: Aws, name: str = ACCOUNT.bucket, region: str = REGION) -> None:
    place = {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3 = aws.customer("s3", region)
    s3.create_bucket(Bucket=name, **({} if region == "us-east-1" else place))


def make_table(aws: Aws, region: str = REGION, key: str = "LockID", kind: str = "S") -> None:
    aws.customer("dynamodb", region).create_table(
        TableName=ACCOUNT.table,
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": kind}],
        KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )


def make_role(
    aws: Aws,
    external_id: str = EXTERNAL_ID,
    trust: dict[str, Any] | None = None,
    without: tuple[str, ...] = (),
) -> None:
    """``without``: actions that the role's policy lacks."""
    trust = trust or trust_policy(platform_account_id=PLATFORM, external_id=external_id)
    policy = user_policy(
        bucket=ACCOUNT.bucket,
        table_arn=table_arn(REGION, CUSTOMER, ACCOUNT.table),
        regions=REGIONS,
    )
    for statement in policy["Statement"]:
        statement["Action"] = [one for one in statement["Action"] if one not in without] or ["x:y"]
    iam = aws.customer("iam")
    iam.create_role(RoleName="BodoPlatformUser", AssumeRolePolicyDocument=json.dumps(trust))
    iam.put_role_policy(
        RoleName="BodoPlatformUser", PolicyName="p", PolicyDocument=json.dumps(policy)
    )


def make_all(aws: Aws) -> None:
    make_bucket(aws)
    make_table(aws)
    make_role(aws)
