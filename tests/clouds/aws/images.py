"""Fewer images and managed policies than moto brings, so that a reset is quick.

moto reads 1,288 images per region and 1,582 policies per account and partition, a second of work
after each reset. Left out: the images for ECS, and the policies of services that we do not use.
"""

from __future__ import annotations

import functools
import json
from typing import Any

from moto.ec2.models import amis
from moto.iam import models as iam

POLICIES = (
    "AdministratorAccess",
    "AmazonAthena",
    "AmazonDynamoDB",
    "AmazonEC2",
    "AmazonElasticFileSystem",
    "AmazonS3",
    "AmazonSSM",
    "AmazonVPC",
    "AWSGlue",
    "AWSKeyManagement",
    "CloudWatch",
    "IAM",
    "PowerUserAccess",
    "ReadOnlyAccess",
    "SecretsManagerReadWrite",
    "ServiceQuotas",
)


@functools.cache
def _kept_policies() -> dict[str, Any]:
    every = json.loads(iam.aws_managed_policies_data)
    return {name: data for name, data in every.items() if name.startswith(POLICIES)}


def _managed_policies(self: Any) -> list[Any]:
    if self.region_name != "aws":
        return []
    return [
        iam.AWSManagedPolicy.from_data(name, self.account_id, self.region_name, data)
        for name, data in _kept_policies().items()
    ]


_moto_load_resource = amis.load_resource


def _without_ecs(path: str) -> Any:
    return [] if path.startswith("ec2/resources/ecs/") else _moto_load_resource(path)


def install() -> None:
    amis.load_resource = _without_ecs
    iam.IAMBackend._init_aws_policies = _managed_policies  # type: ignore
