"""AWS in this process, for tests of the cloud configuration: moto, with what it lets pass refused.

Two accounts: the platform's (whose credentials are in the environment) and a customer's. Added to
moto: AssumeRole asks the trust policy, IAM simulates inline policies, quotas are told. It is our
reading of AWS's documentation; nothing was compared with a real account.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any
from unittest.mock import patch
from urllib.parse import unquote

import boto3
from moto import mock_aws
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.iam.models import iam_backends
from moto.iam.responses import IamResponse
from moto.servicequotas.models import ServiceQuotasBackend
from moto.sts.models import STSBackend

PLATFORM = "123456789012"
CUSTOMER = "111122223333"
FULL_ACCESS = ["s3:*", "dynamodb:*", "iam:*"]


class Refused(ServiceException):
    pass


@dataclass
class Aws:
    """``quotas``: value by code."""

    quotas: dict[str, float] = field(
        default_factory=lambda: {"L-1216C47A": 64.0, "L-F678F1CE": 5.0, "L-0263D0A3": 5.0}
    )
    ignores_external_id: bool = False

    def customer(self, service: str, region: str = "us-east-2") -> Any:
        """A client with all rights in the customer's account."""
        with patch.object(self, "ignores_external_id", True):
            made = boto3.client("sts", region_name=region).assume_role(
                RoleArn=f"arn:aws:iam::{CUSTOMER}:role/Administrator", RoleSessionName="test"
            )["Credentials"]
        return boto3.client(
            service,
            region_name=region,
            aws_access_key_id=made["AccessKeyId"],
            aws_secret_access_key=made["SecretAccessKey"],
            aws_session_token=made["SessionToken"],
        )

    def keys(self, name: str = "ada", rights: list[str] | None = None) -> tuple[str, str]:
        """Access keys of a new user with these rights; all of the documents' three by default."""
        iam = self.customer("iam")
        iam.create_user(UserName=name)
        allowed = FULL_ACCESS if rights is None else rights
        if allowed:
            document = {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Action": allowed, "Resource": "*"}],
            }
            iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(document))
        made = iam.create_access_key(UserName=name)["AccessKey"]
        return made["AccessKeyId"], made["SecretAccessKey"]


@contextmanager
def running_aws() -> Iterator[Aws]:
    """The environment must hold some credentials for the platform."""
    aws = Aws()
    with (
        mock_aws(),
        patch.object(STSBackend, "assume_role", _asking_trust(aws)),
        patch.object(IamResponse, "simulate_principal_policy", _simulate, create=True),
        patch.object(ServiceQuotasBackend, "get_service_quota", _quota(aws)),
    ):
        yield aws


def _asking_trust(aws: Aws) -> Any:
    original = STSBackend.assume_role

    def assume_role(self: Any, **asked: Any) -> Any:
        if not aws.ignores_external_id:
            _check_trust(asked["role_arn"], asked["external_id"])
        return original(self, **asked)

    return assume_role


def _check_trust(arn: str, external_id: str | None) -> None:
    account = arn.split(":")[4]
    roles = {role.arn: role for role in iam_backends[account]["aws"].roles.values()}
    if arn not in roles:
        raise Refused("AccessDenied", f"User is not authorized to perform: sts:AssumeRole on {arn}")
    for statement in json.loads(roles[arn].assume_role_policy_document)["Statement"]:
        wanted = statement.get("Condition", {}).get("StringEquals", {}).get("sts:ExternalId")
        is_platform = statement["Principal"]["AWS"] == f"arn:aws:iam::{PLATFORM}:root"
        if is_platform and wanted in (None, external_id):
            return
    raise Refused("AccessDenied", f"User is not authorized to perform: sts:AssumeRole on {arn}")


def _simulate(self: Any) -> ActionResult:
    statements = _statements(self)
    context = {
        entry["ContextKeyName"]: entry["ContextKeyValues"][0]
        for entry in self._get_param("ContextEntries", [])
    }
    resources = self._get_param("ResourceArns", ["*"])
    return ActionResult(
        {
            "EvaluationResults": [
                {
                    "EvalActionName": action,
                    "EvalResourceName": resources[0],
                    "EvalDecision": "allowed"
                    if all(_allows(statements, action, one, context) for one in resources)
                    else "implicitDeny",
                }
                for action in self._get_param("ActionNames")
            ],
            "IsTruncated": False,
        }
    )


def _statements(request: Any) -> list[dict[str, Any]]:
    arn = request._get_param("PolicySourceArn")
    backend = iam_backends[arn.split(":")[4]]["aws"]
    name = arn.rpartition("/")[2]
    if ":role/" in arn:
        texts = list(next(r for r in backend.roles.values() if r.name == name).policies.values())
    else:
        texts = list(backend.users[name].policies.values())
    found: list[dict[str, Any]] = []
    for text in texts:
        document = json.loads(unquote(text) if isinstance(text, str) else json.dumps(text))
        found += document["Statement"]
    return found


def _allows(
    statements: list[dict[str, Any]], action: str, resource: str, context: dict[str, str]
) -> bool:
    return any(
        any(fnmatchcase(action, one) for one in _many(statement["Action"]))
        and any(fnmatchcase(resource, one) for one in _many(statement["Resource"]))
        and all(
            context.get(key) in _many(value)
            for pairs in statement.get("Condition", {}).values()
            for key, value in pairs.items()
        )
        for statement in statements
    )


def _many(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def _quota(aws: Aws) -> Any:
    def get_service_quota(self: Any, service_code: str, quota_code: str) -> Any:
        return {"QuotaCode": quota_code, "Value": aws.quotas[quota_code]}

    return get_service_quota
