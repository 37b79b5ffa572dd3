"""Validate, with each single thing broken: that line alone is red and says what to do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.clouds.aws_rules import PLATFORM, Aws
from tests.clouds.aws_samples import (
    ACCOUNT,
    INSTALLATION,
    make_all,
    make_bucket,
    make_role,
    make_table,
)
from workspaces.clouds.aws.account import Account, platform_account_id, role_access
from workspaces.clouds.aws.checks import (
    BUCKET,
    EXTERNAL_ID,
    QUOTAS,
    RIGHTS,
    ROLE,
    TABLE,
    validation,
)
from workspaces.clouds.aws.errors import told
from workspaces.clouds.aws.policies import trust_policy
from workspaces.clouds.base import CloudError


def _red(account: Account = ACCOUNT) -> dict[str, str]:
    return {line.name: line.detail for line in validation(INSTALLATION, account) if not line.ok}


def test_all_is_green_when_the_guide_was_followed(aws: Aws) -> None:
    make_all(aws)

    lines = validation(INSTALLATION, ACCOUNT)

    assert [line.name for line in lines] == [ROLE, EXTERNAL_ID, BUCKET, TABLE, RIGHTS, QUOTAS]
    assert all(line.ok for line in lines), lines


def test_missing_role_is_told_and_the_rest_waits_for_it(aws: Aws) -> None:
    make_bucket(aws)
    make_table(aws)

    red = _red()

    assert list(red) == [ROLE, EXTERNAL_ID, BUCKET, TABLE, RIGHTS, QUOTAS]
    assert "role does not exist" in red[ROLE]
    assert "when the role can be assumed" in red[BUCKET]


def test_role_of_another_customer_is_not_entered(aws: Aws) -> None:
    make_all(aws)

    red = _red(replace(ACCOUNT, external_id="external-id-of-somebody-else"))

    assert "trust relationship" in red[ROLE]


def test_role_that_requires_no_external_id_is_not_good_enough(aws: Aws) -> None:
    trust = trust_policy(platform_account_id=PLATFORM, external_id="")
    del trust["Statement"][0]["Condition"]
    make_bucket(aws)
    make_table(aws)
    make_role(aws, trust=trust)

    red = _red()

    assert list(red) == [EXTERNAL_ID]
    assert "without any External ID" in red[EXTERNAL_ID]


def test_bucket_that_is_not_there(aws: Aws) -> None:
    make_table(aws)
    make_role(aws)

    red = _red()

    assert list(red) == [BUCKET]
    assert "There is no bucket acme-metadata in us-east-2" in red[BUCKET]


def test_bucket_in_another_region(aws: Aws) -> None:
    make_bucket(aws, region="us-west-1")
    make_table(aws)
    make_role(aws)

    red = _red()

    assert list(red) == [BUCKET]
    assert "lies in us-west-1, not in us-east-2" in red[BUCKET]


def test_table_that_is_not_there(aws: Aws) -> None:
    make_bucket(aws)
    make_table(aws, region="us-west-1")
    make_role(aws)

    red = _red()

    assert list(red) == [TABLE]
    assert "There is no table acme-locks in us-east-2" in red[TABLE]


@pytest.mark.parametrize(("key", "kind"), [("lockid", "S"), ("LockID", "N")])
def test_table_with_another_key(aws: Aws, key: str, kind: str) -> None:
    make_bucket(aws)
    make_table(aws, key=key, kind=kind)
    make_role(aws)

    red = _red()

    assert list(red) == [TABLE]
    assert f"The table's key is {key} ({kind})" in red[TABLE]


def test_missing_rights_are_listed(aws: Aws) -> None:
    make_bucket(aws)
    make_table(aws)
    make_role(aws, without=("ec2:RunInstances", "s3:PutObject"))

    red = _red()

    assert list(red) == [RIGHTS]
    assert "ec2:RunInstances, s3:PutObject" in red[RIGHTS]


@pytest.mark.parametrize(
    ("code", "words"),
    [("L-1216C47A", "vCPUs"), ("L-F678F1CE", "VPCs"), ("L-0263D0A3", "Elastic IPs")],
)
def test_limit_without_room(aws: Aws, code: str, words: str) -> None:
    make_all(aws)
    aws.quotas[code] = 0.0

    red = _red()

    assert list(red) == [QUOTAS]
    assert words in red[QUOTAS]
    assert "Service Quotas" in red[QUOTAS]


def test_platform_without_credentials_says_so(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", f"{tmp_path}/none")
    monkeypatch.setenv("AWS_CONFIG_FILE", f"{tmp_path}/none")

    red = _red()

    assert "The platform has no AWS credentials of its own" in red[ROLE]


def test_account_to_trust_is_the_platforms_own_where_no_setting_says(aws: Aws) -> None:
    assert platform_account_id(INSTALLATION) == PLATFORM
    assert platform_account_id(replace(INSTALLATION, platform_account_id="9" * 12)) == "9" * 12


def test_role_is_never_assumed_without_its_external_id(aws: Aws) -> None:
    make_all(aws)

    with pytest.raises(CloudError, match="External ID"):
        role_access(INSTALLATION, replace(ACCOUNT, external_id=""))


def test_session_of_the_role_works_in_the_customers_account(aws: Aws) -> None:
    make_all(aws)

    client = role_access(INSTALLATION, ACCOUNT).client("sts", ACCOUNT.region)

    assert client.get_caller_identity()["Account"] == ACCOUNT.account_id


def test_refused_role_is_told_by_the_first_call(aws: Aws) -> None:
    client = role_access(INSTALLATION, ACCOUNT).client("s3", ACCOUNT.region)

    with pytest.raises(CloudError) as raised, told("list"):
        client.list_buckets()

    assert raised.value.code == "AccessDenied"
