"""The reader of policies: what all answers about rights stand on."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clouds.aws.policies import Context, decide

BUCKET = "arn:aws:s3:::mine"


def decision(*statements: dict[str, Any], context: Context | None = None) -> str:
    documents = {"own": {"Statement": list(statements)}}
    return decide(documents, "s3:PutObject", f"{BUCKET}/key", context).decision


def allow(**fields: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": "s3:*", "Resource": "*", **fields}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "allowed"),
        ({"Action": "S3:put*"}, "allowed"),
        ({"Action": "s3:PutObjec?"}, "allowed"),
        ({"Action": ["s3:Get*", "s3:List*"]}, "implicitDeny"),
        ({"Resource": f"{BUCKET}/*"}, "allowed"),
        ({"Resource": BUCKET}, "implicitDeny"),
        ({"Resource": f"{BUCKET.upper()}/*"}, "implicitDeny"),
        # A bracket is no wildcard.
        ({"Resource": f"{BUCKET}/[k]ey"}, "implicitDeny"),
    ],
)
def test_actions_and_resources(fields: dict[str, Any], expected: str) -> None:
    assert decision(allow(**fields), context={}) == expected


def test_everything_but() -> None:
    but_iam = {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}
    but_mine = {"Effect": "Allow", "Action": "*", "NotResource": f"{BUCKET}/*"}

    assert decision(but_iam, context={}) == "allowed"
    assert decision(but_mine, context={}) == "implicitDeny"


@pytest.mark.parametrize("order", [1, -1])
def test_deny_wins_in_any_order(order: int) -> None:
    statements = [allow(), {**allow(), "Effect": "Deny"}][::order]

    assert decision(*statements, context={}) == "explicitDeny"


@pytest.mark.parametrize(
    ("condition", "found", "expected"),
    [
        ({"StringEquals": {"k": ["a", "b"]}}, ["b"], True),
        ({"StringEquals": {"k": "a"}}, ["A"], False),
        ({"StringEquals": {"k": "a"}}, None, False),
        ({"StringEqualsIfExists": {"k": "a"}}, None, True),
        ({"StringEqualsIgnoreCase": {"k": "a"}}, ["A"], True),
        ({"StringNotEquals": {"k": "a"}}, None, True),
        ({"StringNotEquals": {"k": "a"}}, ["a"], False),
        ({"StringLike": {"k": "bodo-*"}}, ["bodo-1"], True),
        ({"ArnLike": {"k": "arn:*:role/bodo-*"}}, ["arn:aws:iam::1:role/other"], False),
        ({"Bool": {"k": "false"}}, ["false"], True),
        ({"Null": {"k": "true"}}, None, True),
        ({"Null": {"k": "true"}}, ["a"], False),
        ({"ForAllValues:StringEquals": {"k": ["a", "b"]}}, ["a", "c"], False),
        ({"ForAnyValue:StringEquals": {"k": ["a", "b"]}}, ["a", "c"], True),
        ({"StringEquals": {"k": "a"}, "Bool": {"other": "true"}}, ["a"], False),
    ],
)
def test_conditions(condition: dict[str, Any], found: list[str] | None, expected: bool) -> None:
    context = {} if found is None else {"K": found}

    assert (decision(allow(Condition=condition), context=context) == "allowed") is expected


def test_condition_of_a_deny_that_does_not_hold_denies_nothing() -> None:
    deny = {**allow(Condition={"Bool": {"aws:SecureTransport": "false"}}), "Effect": "Deny"}

    assert decision(allow(), deny, context={"aws:SecureTransport": ["true"]}) == "allowed"


def test_unknown_condition_is_no_silent_yes() -> None:
    with pytest.raises(NotImplementedError, match="IpAddress"):
        decision(allow(Condition={"IpAddress": {"k": "10.0.0.0/8"}}), context={"k": ["10.1.1.1"]})
