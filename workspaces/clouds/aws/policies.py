"""The two policies of the role in a customer's account: who may assume it, and what it may do.

``STATEMENTS`` is the one list that the policy text, its download and the validation are made
from, so that what is asked for is what is checked. What changes or removes things is limited to
things that carry our tag; what creates them to the regions of this installation; roles and keys
to names that begin with ``bodo-``. A change of the list raises ``POLICY_VERSION``, which stands
in each statement's name, so that one sees in the console which version a role has.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workspaces.clouds.aws.names import MANAGED_TAG

POLICY_VERSION = 1
BUCKET_PLACEHOLDER = "$$BUCKET_NAME$$"
TABLE_PLACEHOLDER = "$$DYNAMO_ARN$$"
POLICY_CHARACTERS = 10_240  # all inline policies of a role together, white space not counted

_REGIONS = "{regions}"
_OURS = {"StringEquals": {f"aws:ResourceTag/{MANAGED_TAG}": "true"}}
_HERE = {"StringEquals": {"aws:RequestedRegion": _REGIONS}}
_CREATORS = (
    "AllocateAddress CreateInternetGateway CreateKeyPair CreateLaunchTemplate CreateNatGateway"
    " CreateNetworkInterface CreatePlacementGroup CreateRouteTable CreateSecurityGroup"
    " CreateSubnet CreateVpc CreateVpcEndpoint ImportKeyPair RunInstances"
)

Condition = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Statement:
    """``actions``: without their service, spaces between. ``samples``: resources to simulate on,
    where those of the policy have a pattern.
    """

    name: str
    service: str
    actions: str
    resources: Sequence[str] = ("*",)
    condition: Condition = field(default_factory=dict)
    samples: Sequence[str] = ()

    def full_actions(self) -> list[str]:
        return [f"{self.service}:{action}" for action in self.actions.split()]


STATEMENTS = (
    Statement(
        "MetadataBucket",
        "s3",
        "GetBucketLocation ListBucket",
        [f"arn:aws:s3:::{BUCKET_PLACEHOLDER}"],
    ),
    Statement(
        "MetadataObjects",
        "s3",
        "AbortMultipartUpload DeleteObject GetObject PutObject",
        [f"arn:aws:s3:::{BUCKET_PLACEHOLDER}/*"],
        samples=[f"arn:aws:s3:::{BUCKET_PLACEHOLDER}/state/sample"],
    ),
    Statement(
        "Locks",
        "dynamodb",
        "DeleteItem DescribeTable GetItem PutItem UpdateItem",
        [TABLE_PLACEHOLDER],
    ),
    Statement("LookCompute", "ec2", "Describe*"),
    Statement("LookFiles", "elasticfilesystem", "Describe*"),
    Statement(
        "LookCommands",
        "ssm",
        "DescribeInstanceInformation GetCommandInvocation ListCommandInvocations",
    ),
    Statement(
        "LookQuotas",
        "servicequotas",
        "GetAWSDefaultServiceQuota GetServiceQuota",
    ),
    Statement("LookPrices", "pricing", "GetProducts"),
    Statement(
        "LookRights",
        "iam",
        "GetInstanceProfile GetRole GetRolePolicy SimulatePrincipalPolicy",
        ["arn:aws:iam::*:role/*", "arn:aws:iam::*:instance-profile/*"],
        samples=["{role_arn}"],
    ),
    Statement("Create", "ec2", _CREATORS, condition=_HERE),
    Statement(
        "TagNew",
        "ec2",
        "CreateTags",
        condition={"StringEquals": {"ec2:CreateAction": _CREATORS.split()}},
    ),
    Statement("TagOurs", "ec2", "CreateTags DeleteTags", condition=_OURS),
    Statement(
        "ChangeOurNetwork",
        "ec2",
        (
            "AssociateRouteTable AttachInternetGateway AuthorizeSecurityGroupEgress"
            " AuthorizeSecurityGroupIngress CreateRoute DeleteInternetGateway DeleteNatGateway"
            " DeleteNetworkInterface DeleteRoute DeleteRouteTable DeleteSecurityGroup DeleteSubnet"
            " DeleteVpc DeleteVpcEndpoints DetachInternetGateway DisassociateAddress"
            " DisassociateRouteTable ModifySubnetAttribute ModifyVpcAttribute ModifyVpcEndpoint"
            " ReleaseAddress RevokeSecurityGroupEgress RevokeSecurityGroupIngress"
        ),
        condition=_OURS,
    ),
    Statement(
        "ChangeOurMachines",
        "ec2",
        (
            "AssociateIamInstanceProfile DeleteKeyPair DeleteLaunchTemplate DeletePlacementGroup"
            " DisassociateIamInstanceProfile ModifyInstanceAttribute RebootInstances"
            " ReplaceIamInstanceProfileAssociation StartInstances StopInstances TerminateInstances"
        ),
        condition=_OURS,
    ),
    Statement(
        "CreateFiles",
        "elasticfilesystem",
        "CreateAccessPoint CreateFileSystem CreateMountTarget TagResource",
        condition=_HERE,
    ),
    Statement(
        "ChangeOurFiles",
        "elasticfilesystem",
        "DeleteAccessPoint DeleteFileSystem DeleteMountTarget UpdateFileSystem",
        condition=_OURS,
    ),
    Statement("CreateKeys", "kms", "CreateKey ListAliases", condition=_HERE),
    Statement(
        "NameKeys",
        "kms",
        "CreateAlias DeleteAlias",
        ["arn:aws:kms:*:*:alias/bodo-*", "arn:aws:kms:*:*:key/*"],
        samples=["arn:aws:kms:{region}:{account_id}:alias/bodo-sample"],
    ),
    Statement("TagKeys", "kms", "TagResource", condition=_HERE),
    Statement(
        "UseOurKeys",
        "kms",
        "CreateGrant Decrypt DescribeKey Encrypt GenerateDataKey* ReEncrypt* ScheduleKeyDeletion",
        condition=_OURS,
    ),
    Statement(
        "RunOnOurMachines",
        "ssm",
        "SendCommand",
        ["arn:aws:ec2:*:*:instance/*"],
        _OURS,
        samples=["arn:aws:ec2:{region}:{account_id}:instance/i-0123456789abcdef0"],
    ),
    Statement(
        "RunShellScript",
        "ssm",
        "SendCommand",
        ["arn:aws:ssm:*::document/AWS-RunShellScript"],
        samples=["arn:aws:ssm:{region}::document/AWS-RunShellScript"],
    ),
    Statement("EndCommands", "ssm", "CancelCommand"),
    Statement(
        "NodeRoles",
        "iam",
        (
            "AddRoleToInstanceProfile CreateInstanceProfile CreateRole DeleteInstanceProfile"
            " DeleteRole DeleteRolePolicy ListAttachedRolePolicies ListInstanceProfilesForRole"
            " ListRolePolicies PutRolePolicy RemoveRoleFromInstanceProfile TagInstanceProfile"
            " TagRole"
        ),
        ["arn:aws:iam::*:role/bodo-*", "arn:aws:iam::*:instance-profile/bodo-*"],
        samples=["arn:aws:iam::{account_id}:role/bodo-sample"],
    ),
    Statement(
        "NodeAgent",
        "iam",
        "AttachRolePolicy DetachRolePolicy",
        ["arn:aws:iam::*:role/bodo-*"],
        {"ArnEquals": {"iam:PolicyARN": "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"}},
        samples=["arn:aws:iam::{account_id}:role/bodo-sample"],
    ),
    Statement(
        "GiveNodesTheirRole",
        "iam",
        "PassRole",
        ["arn:aws:iam::*:role/bodo-*"],
        {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
        samples=["arn:aws:iam::{account_id}:role/bodo-sample"],
    ),
    Statement(
        "ServiceRoles",
        "iam",
        "CreateServiceLinkedRole",
        ["arn:aws:iam::*:role/aws-service-role/*"],
        {
            "StringEquals": {
                "iam:AWSServiceName": ["elasticfilesystem.amazonaws.com", "spot.amazonaws.com"]
            }
        },
        samples=["arn:aws:iam::{account_id}:role/aws-service-role/spot.amazonaws.com/sample"],
    ),
)


@dataclass(frozen=True)
class Probe:
    """One call of IAM's simulation: actions that the role shall be allowed on ``resources``."""

    actions: Sequence[str]
    resources: Sequence[str]
    context: Sequence[Mapping[str, Any]]


def user_policy(*, bucket: str, table_arn: str, regions: Sequence[str]) -> dict[str, Any]:
    """Bodo-Platform-User-Policy. What is empty stays the documents' placeholder (F075)."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": f"BodoV{POLICY_VERSION}{statement.name}",
                "Effect": "Allow",
                "Action": statement.full_actions(),
                "Resource": [_filled(text, bucket, table_arn) for text in statement.resources],
                **_conditions(statement, regions),
            }
            for statement in STATEMENTS
        ],
    }


def trust_policy(*, platform_account_id: str, external_id: str) -> dict[str, Any]:
    """Only the platform's account, and only with this External ID (F044)."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{platform_account_id}:root"},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"sts:ExternalId": external_id}},
            }
        ],
    }


def policy_text(policy: Mapping[str, Any]) -> str:
    return json.dumps(policy, indent=2)


def rights_probes(
    *, role_arn: str, account_id: str, region: str, bucket: str, table_arn: str
) -> list[Probe]:
    """Simulations that together ask for every right that the policy names in full."""
    place = {"account_id": account_id, "region": region, "role_arn": role_arn}
    probes = []
    for statement in STATEMENTS:
        actions = [name for name in statement.full_actions() if "*" not in name]
        samples = statement.samples or statement.resources
        resources = [_filled(text, bucket, table_arn).format(**place) for text in samples]
        if actions:
            probes.append(Probe(actions, resources, _context(statement, region)))
    return probes


def _filled(text: str, bucket: str, table_arn: str) -> str:
    text = text.replace(BUCKET_PLACEHOLDER, bucket or BUCKET_PLACEHOLDER)
    return text.replace(TABLE_PLACEHOLDER, table_arn or TABLE_PLACEHOLDER)


def _conditions(statement: Statement, regions: Sequence[str]) -> dict[str, Any]:
    if not statement.condition:
        return {}
    filled = {
        test: {key: list(regions) if value is _REGIONS else value for key, value in pairs.items()}
        for test, pairs in statement.condition.items()
    }
    return {"Condition": filled}


def _context(statement: Statement, region: str) -> list[dict[str, Any]]:
    """What a real call would bring along, so that the conditions hold in the simulation."""
    entries = []
    for pairs in statement.condition.values():
        for key, value in pairs.items():
            first = region if value is _REGIONS else value
            plain = first if isinstance(first, str) else first[0]
            entries.append(
                {
                    "ContextKeyName": key,
                    "ContextKeyValues": [plain],
                    "ContextKeyType": "string",
                }
            )
    return entries
