"""AssumeRole: the trust policy of the role decides, in whichever account the role is.

Plain moto looks for the role in the caller's account and lets everybody in: with a wrong
External ID, without one, and for a role that does not exist. Taking a role out of an instance
profile that does not have it is an HTTP 500 there, and a session never ends. Not proved: session
policies, MFA, limits of role chaining.
"""

from __future__ import annotations

import json
from typing import Any

from moto.iam.models import iam_backends
from moto.iam.responses import IamResponse
from moto.sts.models import sts_backends
from moto.sts.responses import TokenResponse

from tests.clouds.aws import lag
from tests.clouds.aws.moto_hooks import Proceed, Refusal, around
from tests.clouds.aws.policies import as_list, decide
from tests.clouds.aws.world import world

_ends: dict[str, float] = {}  # access key -> time of the timeline
world.on_reset(_ends.clear)


def has_expired(access_key: str) -> bool:
    """Whether it belongs to a session that is over."""
    return _ends.get(access_key, float("inf")) <= world.timeline.now()


@around(TokenResponse, "assume_role")
def trusted_only(request: Any, proceed: Proceed) -> Any:
    arn = str(request._get_param("RoleArn"))
    callers = _callers(request)
    role = _role(arn)
    if role is None or lag.is_too_young(role) or not _trusts(request, role, callers):
        raise Refusal(
            "AccessDenied",
            f"User: {callers[-1]} is not authorized to perform: sts:AssumeRole on resource: {arn}",
            status=403,
        )
    longest = int(role.max_session_duration or 3600)
    seconds = request._get_int_param("DurationSeconds") or 3600
    if seconds > longest:
        raise Refusal(
            "ValidationError",
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        )
    answer = proceed()
    _ends[answer.result["Credentials"].access_key_id] = world.timeline.now() + seconds
    return answer


def _role(arn: str) -> Any:
    parts = arn.split(":")
    if len(parts) != 6 or not parts[4].isdigit():
        raise Refusal("ValidationError", f"{arn} is invalid")
    backend = iam_backends[parts[4]]["aws"]
    return next((role for role in backend.get_roles() if role.arn == arn), None)


def _callers(request: Any) -> list[str]:
    """Every principal that means this caller, from the account to the person or session."""
    account, key = request.current_account, request.access_key
    found = [account, f"arn:aws:iam::{account}:root"]
    session = sts_backends[account]["aws"].get_assumed_role_from_access_key(key)
    if session:
        return [*found, session.role_arn, session.arn]
    users = iam_backends[account]["aws"].users.values()
    return found + [
        user.arn for user in users if any(one.access_key_id == key for one in user.access_keys)
    ]


def _trusts(request: Any, role: Any, callers: list[str]) -> bool:
    policy = role.assume_role_policy_document
    policy = json.loads(policy) if isinstance(policy, str) else policy
    named = [one for one in as_list(policy["Statement"]) if _names(one, callers)]
    external_id = request._get_param("ExternalId")
    context = {"sts:ExternalId": [external_id]} if external_id else {}
    decision = decide({role.name: {"Statement": named}}, "sts:AssumeRole", role.arn, context)
    return decision.decision == "allowed"


def _names(statement: Any, callers: list[str]) -> bool:
    principal = statement.get("Principal", {})
    named = [principal] if principal == "*" else as_list(dict(principal).get("AWS", []))
    return any(one == "*" or one in callers for one in named)


@around(IamResponse, "remove_role_from_instance_profile")
def role_in_profile(request: Any, proceed: Proceed) -> Any:
    profile = request.backend.get_instance_profile(request._get_param("InstanceProfileName"))
    name = request._get_param("RoleName")
    if name not in [role.name for role in profile.roles]:
        raise Refusal(
            "NoSuchEntity",
            f"Role {name} in instance profile {profile.name} cannot be found.",
            status=404,
        )
    return proceed()
