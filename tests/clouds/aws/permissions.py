"""Rights: policies that are really read, simulation, and refusals in each service's own words.

Plain moto has no ``simulate_principal_policy``, asks for ``monitoring:`` where AWS asks for
``cloudwatch:``, and answers DynamoDB's refusals as XML, so that boto3 sees the code "403".
``settings.enforce_iam`` asks every caller for a known key, a right signature and a policy; the
resource of a call is known for S3, IAM and STS only, elsewhere the action alone decides. Not
proved: that the policy is enough on AWS.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import moto.settings
from moto.core.authorization import ActionAuthenticatorMixin
from moto.core.responses import ActionResult
from moto.iam.access_control import IAMRequestBase
from moto.iam.models import IAMBackend
from moto.iam.responses import IamResponse

from tests.clouds.aws.calls import Call
from tests.clouds.aws.moto_hooks import Refusal, adds
from tests.clouds.aws.policies import decide
from tests.clouds.aws.world import world

PREFIXES = {"monitoring": "cloudwatch", "tagging": "tag"}
JSON_CODES = {
    "AccessDenied": "AccessDeniedException",
    "InvalidClientTokenId": "UnrecognizedClientException",
    "SignatureDoesNotMatch": "InvalidSignatureException",
}
_moto_authorize = ActionAuthenticatorMixin._authenticate_and_authorize_action
_moto_aws_request = IAMRequestBase._create_aws_request


def policies_of_role(backend: IAMBackend, name: str) -> dict[str, Any]:
    role = backend.get_role(name)
    return _documents(role.policies, role.managed_policies)


def policies_of_user(backend: IAMBackend, name: str) -> dict[str, Any]:
    user = backend.get_user(name)
    found = _documents(user.policies, user.managed_policies)
    for group in backend.get_groups_for_user(name):
        found.update(_documents(group.policies, group.managed_policies))
    return found


def _documents(inline: Mapping[str, Any], managed: Mapping[str, Any]) -> dict[str, Any]:
    written = dict(inline)
    for arn, policy in managed.items():
        written[arn] = next(one.document for one in policy.versions if one.is_default)
    return {
        name: json.loads(text) if isinstance(text, str) else text for name, text in written.items()
    }


@adds(IamResponse)
def simulate_principal_policy(request: Any) -> ActionResult:
    source = request._get_param("PolicySourceArn")
    kind, _, name = source.rpartition(":")[2].partition("/")
    policies_of = {"role": policies_of_role, "user": policies_of_user}.get(kind)
    if policies_of is None:
        raise Refusal(
            "InvalidInput",
            f"Invalid Entity Arn: {source} does not clearly define entity type and name.",
        )
    documents = policies_of(request.backend, name.rpartition("/")[2])
    context = {
        entry["ContextKeyName"]: entry.get("ContextKeyValues", [])
        for entry in request._get_param("ContextEntries", [])
    }
    results = [
        _simulated(documents, action, resource, context)
        for action in request._get_param("ActionNames")
        for resource in request._get_param("ResourceArns", ["*"])
    ]
    return ActionResult(_page(request, results))


def _simulated(
    documents: Mapping[str, Any], action: str, resource: str, context: Mapping[str, list[str]]
) -> dict[str, Any]:
    found = decide(documents, action, resource, context)
    return {
        "EvalActionName": action,
        "EvalResourceName": resource,
        "EvalDecision": found.decision,
        "MatchedStatements": [{"SourcePolicyId": name} for name in found.matched],
        "MissingContextValues": sorted(found.missing),
    }


def _page(request: Any, results: list[Any]) -> dict[str, Any]:
    start = int(request._get_param("Marker") or 0)
    end = start + int(request._get_param("MaxItems") or 100)
    more = end < len(results)
    page = {"EvaluationResults": results[start:end], "IsTruncated": more}
    return {**page, "Marker": str(end)} if more else page


def _check_action_permitted(self: Any, resource: str) -> None:
    """In place of moto's: it reads neither conditions nor most principals right."""
    if self._action == "sts:GetCallerIdentity":
        return
    key = self._access_key
    documents = (
        policies_of_role(self.backend, key._owner_role_name)
        if hasattr(key, "_owner_role_name")
        else policies_of_user(self.backend, key._owner_user_name)
    )
    prefix, _, action = self._action.partition(":")
    right = f"{PREFIXES.get(prefix, prefix)}:{action}"
    known = None if resource == "*" else resource
    if decide(documents, right, known, None).decision != "allowed":
        self._raise_access_denied()


def _authorize(self: Any, request_class: type, resource: str = "*") -> None:
    moto.settings.INITIAL_NO_AUTH_ACTION_COUNT = 0 if world.settings.enforce_iam else float("inf")
    _moto_authorize(self, request_class, resource)


def _aws_request(self: Any) -> Any:
    """moto signs the headers in place of the body of a GET: none of EFS would be right."""
    request = _moto_aws_request(self)
    if self._method == "GET":
        request.data = self._body
    return request


def as_this_service_says(
    call: Call, status: str, headers: list[tuple[str, str]], body: bytes
) -> tuple[str, list[tuple[str, str]], bytes]:
    """A refusal that moto wrote as XML, in the protocol and with the code of the service."""
    if status[:3] not in ("401", "403"):
        return status, headers, body
    found = re.search(rb"<Code>(\w+)</Code>.*?<Message>(.*?)</Message>", body, re.DOTALL)
    code, message = (part.decode() for part in found.groups()) if found else ("", "")
    if call.service == "ec2" and code == "AccessDenied":
        told, kind = body.replace(b"AccessDenied<", b"UnauthorizedOperation<"), "text/xml"
    elif found and (call.is_json or call.service == "efs"):
        told = json.dumps({"__type": JSON_CODES.get(code, code), "message": message}).encode()
        kind = "application/x-amz-json-1.0"
        status = status if call.service == "efs" else "400 Bad Request"
    else:
        return status, headers, body
    kept = [pair for pair in headers if pair[0].lower() not in _REPLACED]
    return status, [*kept, ("Content-Type", kind), ("Content-Length", str(len(told)))], told


_REPLACED = ("content-type", "content-length", "x-amzn-errortype")


def install() -> None:
    IAMRequestBase._create_aws_request = _aws_request  # type: ignore
    IAMRequestBase.check_action_permitted = _check_action_permitted  # type: ignore
    ActionAuthenticatorMixin._authenticate_and_authorize_action = _authorize  # type: ignore
