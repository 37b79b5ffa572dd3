"""Making bucket, lock table and role with a customer's access keys (F051, F068 to F070).

The keys live in one ``Access`` of one request: nothing here writes them down, repeats them in a
message or hands them to another process. Each step finds before it makes, so that after a break
the same steps, in the same order, go on where they stopped. The rights are asked for before
anything is made, and what is missing is named.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from botocore.exceptions import ClientError

from workspaces.clouds.aws import names
from workspaces.clouds.aws.account import Access, Client, Installation, platform_account_id
from workspaces.clouds.aws.checks import check_lock_key, listed
from workspaces.clouds.aws.errors import Who, aws_code, told
from workspaces.clouds.aws.keys import SetupStep
from workspaces.clouds.aws.policies import Probe, policy_text, trust_policy, user_policy
from workspaces.clouds.aws.rights import missing_rights
from workspaces.clouds.base import CloudError

OLD_VERSION_DAYS = 90
UPLOAD_DAYS = 7


@dataclass(frozen=True)
class Plan:
    """``uuid``: of the cloud configuration to be. ``bucket`` and ``table`` may not be made yet;
    empty ones leave the documents' placeholders in the role's policy.
    """

    uuid: UUID
    external_id: str
    region: str
    bucket: str
    table: str


def run_step(step: SetupStep, installation: Installation, access: Access, plan: Plan) -> str:
    """One step of a few seconds; a sentence on what is there now, for ROLE the role's ARN."""
    if step == SetupStep.RIGHTS:
        return check_rights(installation, access, plan)
    if step == SetupStep.BUCKET:
        return make_bucket(access, plan)
    if step == SetupStep.TABLE:
        return make_table(access, plan)
    return make_role(installation, access, plan)


def check_rights(installation: Installation, access: Access, plan: Plan) -> str:
    """Raises CloudError("RightsMissing") naming them, or "InvalidKeys"; makes nothing."""
    account_id, principal = _identity(access, plan.region)
    _check(installation, access, plan, principal, _setup_probes(account_id, plan))
    return f"The keys belong to account {account_id} and have the rights they need."


def check_role_rights(installation: Installation, access: Access, plan: Plan) -> str:
    """The same for Create Role For Me, which makes nothing but the role; answers its account."""
    account_id, principal = _identity(access, plan.region)
    _check(installation, access, plan, principal, [_role_probe(account_id)])
    return account_id


def make_bucket(access: Access, plan: Plan) -> str:
    """Public access blocked, versioned, encrypted; old versions go after 90 days."""
    s3 = access.client("s3", plan.region)
    with told(f"create the bucket {plan.bucket}", access.who):
        _create_bucket(s3, plan)
        s3.put_public_access_block(
            Bucket=plan.bucket,
            PublicAccessBlockConfiguration=dict.fromkeys(
                (
                    "BlockPublicAcls",
                    "IgnorePublicAcls",
                    "BlockPublicPolicy",
                    "RestrictPublicBuckets",
                ),
                True,
            ),
        )
        s3.put_bucket_versioning(Bucket=plan.bucket, VersioningConfiguration={"Status": "Enabled"})
        s3.put_bucket_encryption(
            Bucket=plan.bucket,
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
            },
        )
        s3.put_bucket_lifecycle_configuration(Bucket=plan.bucket, LifecycleConfiguration=_LIFECYCLE)
        s3.put_bucket_tagging(
            Bucket=plan.bucket, Tagging={"TagSet": names.configuration_tags(plan.uuid)}
        )
    return f"The bucket {plan.bucket} is there: private, versioned, encrypted."


_LIFECYCLE = {
    "Rules": [
        {
            "ID": "bodo-tidy",
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "NoncurrentVersionExpiration": {"NoncurrentDays": OLD_VERSION_DAYS},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": UPLOAD_DAYS},
        }
    ]
}


def _create_bucket(s3: Client, plan: Plan) -> None:
    place = {"CreateBucketConfiguration": {"LocationConstraint": plan.region}}
    try:
        # us-east-1 is the one region that AWS does not want to be named.
        s3.create_bucket(Bucket=plan.bucket, **({} if plan.region == "us-east-1" else place))
    except ClientError as error:
        if aws_code(error) == "BucketAlreadyExists":
            raise CloudError(
                "BucketExists",
                f"A bucket named {plan.bucket} exists already in another AWS account. Discard this"
                " form and begin a new one.",
            ) from None
        if aws_code(error) != "BucketAlreadyOwnedByYou":
            raise
    there = s3.get_bucket_location(Bucket=plan.bucket)["LocationConstraint"] or "us-east-1"
    if there != plan.region:
        raise CloudError(
            "RegionMismatch",
            f"An earlier attempt made the bucket {plan.bucket} in {there}. Choose {there} as"
            " Metadata Storage Region, or delete that bucket in the S3 console.",
        )


def make_table(access: Access, plan: Plan) -> str:
    """Partition key LockID, on demand. AWS may still be making it when this returns."""
    dynamodb = access.client("dynamodb", plan.region)
    with told(f"create the table {plan.table}", access.who):
        try:
            dynamodb.create_table(
                TableName=plan.table,
                AttributeDefinitions=[{"AttributeName": names.LOCK_KEY, "AttributeType": "S"}],
                KeySchema=[{"AttributeName": names.LOCK_KEY, "KeyType": "HASH"}],
                BillingMode="PAY_PER_REQUEST",
                Tags=names.configuration_tags(plan.uuid),
            )
        except ClientError as error:
            if aws_code(error) != "ResourceInUseException":
                raise
            check_lock_key(dynamodb.describe_table(TableName=plan.table)["Table"])
    return f"The lock table {plan.table} is there, with the partition key {names.LOCK_KEY}."


def make_role(installation: Installation, access: Access, plan: Plan) -> str:
    """BodoPlatformUser with its trust and policy; answers the ARN.

    Raises CloudError("RoleExists") when one is there that this very plan did not make (F055).
    """
    trust = trust_policy(
        platform_account_id=platform_account_id(installation), external_id=plan.external_id
    )
    iam = access.client("iam", plan.region)
    with told(f"create the role {names.ROLE_NAME}", access.who):
        try:
            role = iam.create_role(
                RoleName=names.ROLE_NAME,
                AssumeRolePolicyDocument=policy_text(trust),
                Description="Lets bodoweb run workspaces and clusters in this account",
                Tags=names.configuration_tags(plan.uuid),
            )["Role"]
        except ClientError as error:
            if aws_code(error) != "EntityAlreadyExists":
                raise
            role = _own_role(iam, plan)
        arn = str(role["Arn"])
        iam.put_role_policy(
            RoleName=names.ROLE_NAME,
            PolicyName=names.POLICY_NAME,
            PolicyDocument=policy_text(_policy(installation, plan, arn.split(":")[4])),
        )
    return arn


def _policy(installation: Installation, plan: Plan, account_id: str) -> dict[str, Any]:
    table = names.table_arn(plan.region, account_id, plan.table) if plan.table else ""
    return user_policy(bucket=plan.bucket, table_arn=table, regions=installation.regions)


def _own_role(iam: Client, plan: Plan) -> dict[str, Any]:
    role: dict[str, Any] = iam.get_role(RoleName=names.ROLE_NAME)["Role"]
    if names.is_ours(role.get("Tags", []), plan.uuid):
        return role
    raise CloudError(
        "RoleExists",
        f"A role named {names.ROLE_NAME} exists already in this AWS account: {role['Arn']}. Use it"
        " in the manual form, after its trust relationship and policy were set as shown there; or,"
        " if nobody else uses it, delete it in the IAM console and try again.",
    )


def _identity(access: Access, region: str) -> tuple[str, str]:
    """(account id, ARN that IAM's simulation takes) of the keys."""
    with told("find out whose keys these are", access.who):
        caller = access.client("sts", region).get_caller_identity()
    return str(caller["Account"]), str(caller["Arn"])


def _check(
    installation: Installation,
    access: Access,
    plan: Plan,
    principal: str,
    probes: list[Probe],
) -> None:
    platform_account_id(installation)  # without it no role can be made: say so first
    if principal.endswith(":root"):
        return  # the account's owner: may do everything, and IAM does not simulate it
    try:
        missing = missing_rights(access, plan.region, principal, probes)
    except CloudError as error:
        if error.code != "AccessDenied":
            raise
        missing = ["iam:SimulatePrincipalPolicy", *_refused_looks(access, plan.region)]
    if missing:
        raise CloudError(
            "RightsMissing",
            f"{Who.KEYS} don't have the right permissions: {listed(missing)}. Nothing was made."
            " Give their user the policies AmazonS3FullAccess, AmazonDynamoDBFullAccess and"
            " IAMFullAccess, or set the resources up manually.",
        )


def _refused_looks(access: Access, region: str) -> list[str]:
    """Where IAM does not let the keys ask for their rights: one harmless look at each service."""
    looks = (
        ("s3", "list_buckets", "s3:ListAllMyBuckets"),
        ("dynamodb", "list_tables", "dynamodb:ListTables"),
        ("iam", "list_roles", "iam:ListRoles"),
    )
    refused = []
    for service, call, right in looks:
        try:
            with told("look around", access.who):
                getattr(access.client(service, region), call)()
        except CloudError as error:
            if error.code != "AccessDenied":
                raise
            refused.append(right)
    return refused


def _setup_probes(account_id: str, plan: Plan) -> list[Probe]:
    bucket = (
        "CreateBucket GetBucketLocation PutBucketPublicAccessBlock PutBucketTagging"
        " PutBucketVersioning PutEncryptionConfiguration PutLifecycleConfiguration"
    )
    table = "CreateTable DescribeTable TagResource"
    return [
        Probe([f"s3:{name}" for name in bucket.split()], [f"arn:aws:s3:::{plan.bucket}"], ()),
        Probe(
            [f"dynamodb:{name}" for name in table.split()],
            [names.table_arn(plan.region, account_id, plan.table)],
            (),
        ),
        _role_probe(account_id),
    ]


def _role_probe(account_id: str) -> Probe:
    actions = ["iam:CreateRole", "iam:GetRole", "iam:PutRolePolicy", "iam:TagRole"]
    return Probe(actions, [names.role_arn(account_id)], ())
