"""What things of ours are called in a customer's account, and the tags they carry."""

from __future__ import annotations

import hashlib
import re
from uuid import UUID

ROLE_NAME = "BodoPlatformUser"
POLICY_NAME = "Bodo-Platform-User-Policy"
LOCK_KEY = "LockID"

MANAGED_TAG = "bodo:managed"
CONFIGURATION_TAG = "bodo:configuration"

ROLE_ARN = re.compile(r"arn:aws:iam::(\d{12}):role/([\w+=,.@/-]{1,512})")

Tags = list[dict[str, str]]


def bucket_name(configuration: UUID) -> str:
    """Bucket names are shared by all customers of AWS, so the uuid is whole."""
    return f"bodo-metadata-{configuration.hex}"


def table_name(configuration: UUID) -> str:
    return f"bodo-locks-{configuration.hex}"


def role_arn(account_id: str, name: str = ROLE_NAME) -> str:
    return f"arn:aws:iam::{account_id}:role/{name}"


def account_of(role_arn: str) -> str:
    """Its 12 digits; empty when that is no ARN of a role."""
    found = ROLE_ARN.fullmatch(role_arn)
    return found.group(1) if found else ""


def table_arn(region: str, account_id: str, name: str) -> str:
    return f"arn:aws:dynamodb:{region}:{account_id or '*'}:table/{name}"


def configuration_tags(configuration: UUID) -> Tags:
    """On whatever a cloud configuration made before any workspace was there."""
    return [
        {"Key": MANAGED_TAG, "Value": "true"},
        {"Key": CONFIGURATION_TAG, "Value": str(configuration)},
    ]


def is_ours(tags: Tags, configuration: UUID) -> bool:
    return {"Key": CONFIGURATION_TAG, "Value": str(configuration)} in tags


def client_token(owner: UUID, name: str, generation: int, *parts: object) -> str:
    """The same launch, asked for again, is the same launch; other arguments are another one.

    64 hexadecimal characters, the most that every API takes.
    """
    text = "\n".join([str(owner), name, str(generation), *map(str, parts)])
    return hashlib.sha256(text.encode()).hexdigest()
