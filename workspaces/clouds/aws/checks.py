"""The checklist of Validate: each line is green or says what to do (F072, F074, F077).

The role comes first, because the rest is looked at through it: what can not be looked at yet is
told so, and is not green.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

from botocore.exceptions import ClientError

from workspaces.clouds.aws.account import (
    SESSION_NAME,
    Access,
    Account,
    Client,
    Installation,
    platform_access,
    role_access,
)
from workspaces.clouds.aws.errors import Who, aws_code, told
from workspaces.clouds.aws.names import LOCK_KEY, POLICY_NAME, table_arn
from workspaces.clouds.aws.policies import rights_probes
from workspaces.clouds.aws.quotas import quota_check
from workspaces.clouds.aws.rights import missing_rights
from workspaces.clouds.base import Check, CloudError

ROLE = "IAM role"
EXTERNAL_ID = "External ID"
BUCKET = "S3 bucket"
TABLE = "Dynamo DB table"
RIGHTS = "Rights of the role"
QUOTAS = "Limits of the account"

_SHOWN_RIGHTS = 12
_LATER = "This is checked when the role can be assumed."
_DENIALS = {"AccessDenied", "AccessDeniedException"}


@dataclass(frozen=True)
class _Look:
    account: Account
    access: Access


def validation(installation: Installation, account: Account) -> list[Check]:
    """Six lines, in the order in which a person would set things right. Reads only; 20 to 30
    calls, so a few seconds.
    """
    assumed = _line(ROLE, lambda: _assume_role(installation, account))
    if not assumed.ok:
        later = (EXTERNAL_ID, BUCKET, TABLE, RIGHTS, QUOTAS)
        return [assumed, *(Check(name, ok=False, detail=_LATER) for name in later)]
    look = _Look(account, role_access(installation, account))
    return [
        assumed,
        _line(EXTERNAL_ID, lambda: _require_external_id(installation, account)),
        _line(BUCKET, lambda: _look_at_bucket(look)),
        _line(TABLE, lambda: _look_at_table(look)),
        _line(RIGHTS, lambda: _look_at_rights(look)),
        _line(QUOTAS, lambda: quota_check(look.access, account.region)),
    ]


def _line(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, ok=True, detail=look())
    except CloudError as error:
        return Check(name, ok=False, detail=error.message)


def _assume_role(installation: Installation, account: Account) -> str:
    if not account.account_id:
        raise CloudError(
            "RoleArn", "A Role ARN looks like arn:aws:iam::123456789012:role/BodoPlatformUser."
        )
    sts = platform_access(installation).client("sts", account.region)
    with told("assume the IAM role", Who.PLATFORM):
        try:
            _assume(sts, account, account.external_id)
        except ClientError as error:
            if aws_code(error) not in _DENIALS:
                raise
            raise CloudError(
                "RoleRefused",
                f"The platform may not assume {account.role_arn}. Either the role does not exist,"
                " or its trust relationship does not name the platform's account and the External"
                " ID shown above. A role that was just made needs up to a minute.",
            ) from None
    return f"The platform can assume the role in account {account.account_id}."


def _assume(sts: Client, account: Account, external_id: str | None) -> None:
    named = {"ExternalId": external_id} if external_id else {}
    sts.assume_role(RoleArn=account.role_arn, RoleSessionName=SESSION_NAME, **named)


def _require_external_id(installation: Installation, account: Account) -> str:
    """Without it, and with a wrong one, AWS must refuse: a role that anybody's External ID opens
    would let another customer of this platform in (the confused deputy).
    """
    sts = platform_access(installation).client("sts", account.region)
    for external_id, words in (
        (None, "without any External ID"),
        (str(uuid4()), "with a wrong one"),
    ):
        try:
            with told("check the External ID", Who.PLATFORM):
                _assume(sts, account, external_id)
        except CloudError as error:
            if error.code != "AccessDenied":
                raise
        else:
            raise CloudError(
                "ExternalIdNotRequired",
                f"The role lets the platform in {words}. Edit its trust relationship: require the"
                " External ID shown above, with the condition StringEquals on sts:ExternalId.",
            )
    return "The role can be assumed only with the External ID of this configuration."


def _look_at_bucket(look: _Look) -> str:
    account, name = look.account, look.account.bucket
    s3 = look.access.client("s3", account.region)
    with told(f"look at the bucket {name}"):
        try:
            answer = s3.head_bucket(Bucket=name, ExpectedBucketOwner=account.account_id)
        except ClientError as error:
            metadata = error.response["ResponseMetadata"]
            place = metadata.get("HTTPHeaders", {}).get("x-amz-bucket-region", "")
            if aws_code(error) in {"404", "NoSuchBucket"}:
                raise CloudError(
                    "BucketMissing",
                    f"There is no bucket {name} in {account.region}. Create it there, or correct"
                    " the name.",
                ) from None
            if not place or place == account.region:
                raise
            answer = {"BucketRegion": place}
    place = answer.get("BucketRegion") or account.region
    if place != account.region:
        raise CloudError(
            "RegionMismatch",
            f"The bucket {name} lies in {place}, not in {account.region}. Bucket and table must be"
            f" in the Metadata Storage Region: choose {place}, or use another bucket.",
        )
    return f"The bucket {name} is there, in {place}."


def _look_at_table(look: _Look) -> str:
    account, name = look.account, look.account.table
    dynamodb = look.access.client("dynamodb", account.region)
    with told(f"look at the table {name}"):
        try:
            table = dynamodb.describe_table(TableName=name)["Table"]
        except ClientError as error:
            if aws_code(error) != "ResourceNotFoundException":
                raise
            raise CloudError(
                "TableMissing",
                f"There is no table {name} in {account.region}. Create it there, in the same region"
                " as the bucket, or correct the name.",
            ) from None
    if table["TableStatus"] != "ACTIVE":
        raise CloudError("TableNotReady", f"AWS is still making the table {name}. Try again soon.")
    check_lock_key(table)
    return f"The table {name} is there, with the partition key {LOCK_KEY}."


def check_lock_key(table: dict[str, list[dict[str, str]]]) -> None:
    """``table`` as DescribeTable gives it. Raises CloudError unless its key is LockID, a String."""
    types = {row["AttributeName"]: row["AttributeType"] for row in table["AttributeDefinitions"]}
    keys = [(row["AttributeName"], row["KeyType"]) for row in table["KeySchema"]]
    if keys != [(LOCK_KEY, "HASH")] or types[LOCK_KEY] != "S":
        found = ", ".join(f"{name} ({types.get(name, '?')})" for name, _ in keys)
        raise CloudError(
            "TableKey",
            f"The table's key is {found}. It must be the partition key {LOCK_KEY} of type String,"
            " and no sort key; keys can not be changed, so create the table anew.",
        )


def _look_at_rights(look: _Look) -> str:
    account = look.account
    probes = rights_probes(
        role_arn=account.role_arn,
        account_id=account.account_id,
        region=account.region,
        bucket=account.bucket,
        table_arn=table_arn(account.region, account.account_id, account.table),
    )
    missing = missing_rights(look.access, account.region, account.role_arn, probes)
    if missing:
        raise CloudError(
            "RightsMissing",
            f"The role lacks {listed(missing)}. Put the policy below on it, as {POLICY_NAME}.",
        )
    return f"The role has all {sum(len(probe.actions) for probe in probes)} rights it needs."


def listed(rights: list[str]) -> str:
    """At most a dozen by name: "s3:PutObject, iam:PassRole and 3 more"."""
    more = len(rights) - _SHOWN_RIGHTS
    return ", ".join(rights[:_SHOWN_RIGHTS]) + (f" and {more} more" if more > 0 else "")
