from __future__ import annotations

import json
import re

from workspaces.clouds.aws.policies import (
    POLICY_CHARACTERS,
    STATEMENTS,
    rights_probes,
    trust_policy,
    user_policy,
)

REGIONS = ["us-east-1", "us-east-2", "us-west-1", "us-west-2"]


def test_bucket_and_table_are_filled_in() -> None:
    text = json.dumps(
        user_policy(bucket="our-bucket", table_arn="arn:aws:dynamodb:r:1:table/t", regions=REGIONS)
    )

    assert "arn:aws:s3:::our-bucket/*" in text
    assert "arn:aws:dynamodb:r:1:table/t" in text
    assert "$$" not in text


def test_what_is_not_known_yet_keeps_the_placeholders_of_the_documents() -> None:
    text = json.dumps(user_policy(bucket="", table_arn="", regions=REGIONS))

    assert "$$BUCKET_NAME$$" in text
    assert "$$DYNAMO_ARN$$" in text


def test_it_fits_on_a_role_with_the_longest_names() -> None:
    table = f"arn:aws:dynamodb:us-east-1:123456789012:table/{'t' * 255}"

    text = json.dumps(user_policy(bucket="b" * 63, table_arn=table, regions=REGIONS))

    assert len(re.sub(r"\s", "", text)) < POLICY_CHARACTERS


def test_names_of_statements_are_what_iam_takes() -> None:
    sids = [s["Sid"] for s in user_policy(bucket="", table_arn="", regions=REGIONS)["Statement"]]

    assert len(set(sids)) == len(STATEMENTS)
    assert all(re.fullmatch(r"[A-Za-z0-9]+", sid) for sid in sids)


def test_nothing_but_looking_is_allowed_without_a_limit() -> None:
    looking = re.compile(r"\w+:(Describe|Get|List|Simulate)")
    ending = {"ssm:CancelCommand"}  # takes no resource and no condition

    for statement in user_policy(bucket="b", table_arn="t", regions=REGIONS)["Statement"]:
        if statement["Resource"] == ["*"] and "Condition" not in statement:
            assert all(looking.match(a) or a in ending for a in statement["Action"]), statement


def test_every_right_that_is_named_in_full_is_asked_for() -> None:
    probes = rights_probes(
        role_arn="arn:aws:iam::1:role/r",
        account_id="111122223333",
        region="us-east-2",
        bucket="b",
        table_arn="t",
    )

    asked = {action for probe in probes for action in probe.actions}
    named = {action for statement in STATEMENTS for action in statement.full_actions()}
    assert asked == {action for action in named if "*" not in action}
    assert not any("{" in text or "$$" in text for probe in probes for text in probe.resources)


def test_only_the_platform_with_the_external_id_is_trusted() -> None:
    # 481633624848 is the number that the documents print: an example, and nobody's default (K1).
    policy = trust_policy(platform_account_id="481633624848", external_id="e1")

    (statement,) = policy["Statement"]
    assert statement["Principal"] == {"AWS": "arn:aws:iam::481633624848:root"}
    assert statement["Condition"] == {"StringEquals": {"sts:ExternalId": "e1"}}
