"""Making what the platform needs, with access keys; again after a break; and each refusal."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from tests.clouds.aws_rules import CUSTOMER, Aws
from tests.clouds.aws_samples import INSTALLATION, PLAN, REGION, ROLE_ARN
from workspaces.clouds.aws.account import Access, Account, keys_access
from workspaces.clouds.aws.checks import validation
from workspaces.clouds.aws.keys import AccessKeys
from workspaces.clouds.aws.setup import (
    check_rights,
    check_role_rights,
    make_bucket,
    make_role,
    make_table,
)
from workspaces.clouds.base import CloudError


def _access(aws: Aws, **kwargs: Any) -> Access:
    return keys_access(INSTALLATION, AccessKeys(*aws.keys(**kwargs)))


def _make_all(access: Access) -> str:
    check_rights(INSTALLATION, access, PLAN)
    make_bucket(access, PLAN)
    make_table(access, PLAN)
    return make_role(INSTALLATION, access, PLAN)


def test_keys_make_what_validate_finds_in_order(aws: Aws) -> None:
    arn = _make_all(_access(aws))

    account = Account(arn, PLAN.external_id, REGION, PLAN.bucket, PLAN.table)
    assert arn == ROLE_ARN
    assert all(line.ok for line in validation(INSTALLATION, account))


def test_bucket_is_private_versioned_and_encrypted(aws: Aws) -> None:
    make_bucket(_access(aws), PLAN)

    s3 = aws.customer("s3")
    block = s3.get_public_access_block(Bucket=PLAN.bucket)["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}
    assert s3.get_bucket_versioning(Bucket=PLAN.bucket)["Status"] == "Enabled"
    assert s3.get_bucket_encryption(Bucket=PLAN.bucket)["ServerSideEncryptionConfiguration"]


def test_table_has_the_lock_key_and_costs_by_use(aws: Aws) -> None:
    make_table(_access(aws), PLAN)

    table = aws.customer("dynamodb").describe_table(TableName=PLAN.table)["Table"]
    assert table["KeySchema"] == [{"AttributeName": "LockID", "KeyType": "HASH"}]
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"


def test_role_has_the_documented_names_and_requires_the_external_id(aws: Aws) -> None:
    make_role(INSTALLATION, _access(aws), PLAN)

    iam = aws.customer("iam")
    trust = iam.get_role(RoleName="BodoPlatformUser")["Role"]["AssumeRolePolicyDocument"]
    names = iam.list_role_policies(RoleName="BodoPlatformUser")["PolicyNames"]
    assert trust["Statement"][0]["Condition"]["StringEquals"]["sts:ExternalId"] == PLAN.external_id
    assert names == ["Bodo-Platform-User-Policy"]


@pytest.mark.parametrize("done", [1, 2, 3, 4])
def test_break_after_any_step_is_gone_on_from(aws: Aws, done: int) -> None:
    access = _access(aws)
    steps = [
        lambda: check_rights(INSTALLATION, access, PLAN),
        lambda: make_bucket(access, PLAN),
        lambda: make_table(access, PLAN),
        lambda: make_role(INSTALLATION, access, PLAN),
    ]
    for step in steps[:done]:
        step()

    arn = _make_all(access)

    assert arn == ROLE_ARN
    assert [b["Name"] for b in aws.customer("s3").list_buckets()["Buckets"]] == [PLAN.bucket]


def test_role_without_its_policy_gets_it_on_the_next_attempt(aws: Aws) -> None:
    access = _access(aws)
    make_role(INSTALLATION, access, PLAN)
    aws.customer("iam").delete_role_policy(
        RoleName="BodoPlatformUser", PolicyName="Bodo-Platform-User-Policy"
    )

    make_role(INSTALLATION, access, PLAN)

    assert aws.customer("iam").list_role_policies(RoleName="BodoPlatformUser")["PolicyNames"]


def test_role_of_somebody_else_is_left_alone_and_named(aws: Aws) -> None:
    access = _access(aws)
    make_role(INSTALLATION, access, replace(PLAN, uuid=uuid4(), external_id="theirs"))

    with pytest.raises(CloudError) as raised:
        make_role(INSTALLATION, access, PLAN)

    trust = aws.customer("iam").get_role(RoleName="BodoPlatformUser")["Role"]
    assert raised.value.code == "RoleExists"
    assert ROLE_ARN in raised.value.message
    assert "theirs" in json.dumps(trust["AssumeRolePolicyDocument"])


@pytest.mark.parametrize(
    ("rights", "missing"),
    [
        (["s3:*", "dynamodb:*", "iam:Simulate*", "iam:Get*"], "iam:CreateRole"),
        (["s3:Get*", "dynamodb:*", "iam:*"], "s3:CreateBucket"),
        (["s3:*", "iam:*"], "dynamodb:CreateTable"),
    ],
)
def test_missing_rights_are_named_before_anything_is_made(
    aws: Aws, rights: list[str], missing: str
) -> None:
    access = _access(aws, rights=rights)

    with pytest.raises(CloudError) as raised:
        check_rights(INSTALLATION, access, PLAN)

    assert raised.value.code == "RightsMissing"
    assert missing in raised.value.message
    assert aws.customer("s3").list_buckets()["Buckets"] == []


def test_role_alone_needs_the_rights_to_a_role_alone(aws: Aws) -> None:
    access = _access(aws, rights=["iam:*"])

    assert check_role_rights(INSTALLATION, access, PLAN) == CUSTOMER


def test_bucket_of_an_earlier_attempt_in_another_region_is_told(aws: Aws) -> None:
    access = _access(aws)
    make_bucket(access, PLAN)

    with pytest.raises(CloudError) as raised:
        make_bucket(access, replace(PLAN, region="us-west-2"))

    assert raised.value.code == "RegionMismatch"
    assert "us-east-2" in raised.value.message


def test_table_with_another_key_is_not_taken_for_ours(aws: Aws) -> None:
    aws.customer("dynamodb").create_table(
        TableName=PLAN.table,
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )

    with pytest.raises(CloudError) as raised:
        make_table(_access(aws), PLAN)

    assert raised.value.code == "TableKey"


def test_keys_do_not_appear_when_what_holds_them_is_printed(aws: Aws) -> None:
    key, secret = aws.keys()

    keys = AccessKeys(key, secret)

    for shown in (repr(keys), repr(vars(keys_access(INSTALLATION, keys)))):
        assert key not in shown
        assert secret not in shown
