"""Linking an AWS account in a browser, against the strict AWS server: both documented ways."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.clouds.aws.fixtures import CUSTOMER, PLATFORM, AwsServer
from tests.clouds.aws_samples import REGIONS
from tests.e2e.conftest import Camera
from tests.e2e.test_accessibility import AXE, LOOK
from tests.stack import Stack
from workspaces.clouds.aws.policies import trust_policy

# AWS is off by default still: until it is whole, these run with the long ones.
pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]

ALL = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["s3:*", "dynamodb:*", "iam:*"], "Resource": "*"}],
}
REGION = "us-east-2"
SLOW = 60_000  # dozens of calls, each with its own look at the rights


@pytest.fixture
def aws() -> Iterator[AwsServer]:
    server = AwsServer()
    yield server
    server.stop()


@pytest.fixture
def stack(tmp_path: Path, aws: AwsServer) -> Iterator[Stack]:
    image = aws.client("ec2", region=REGION).register_image(
        Name="bodo-2026.10", RootDeviceName="/dev/sda1", Architecture="x86_64"
    )["ImageId"]
    environment = {
        "BODO_AWS": "true",
        "BODO_AWS_ENDPOINT_URL": aws.url,
        "BODO_AWS_IMAGES": f"2026.10:{REGION}={image}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }
    with Stack(tmp_path / "stack", environment) as running:
        yield running


@pytest.fixture
def created(page: Page, stack: Stack) -> Page:
    """The form, by somebody who may."""
    _open_form(page, stack)
    return page


def _open_form(page: Page, stack: Stack) -> None:
    demo = stack.demo()
    page.goto(stack.url)
    page.get_by_label("E-mail address").fill(demo["email"])
    page.get_by_label("Password", exact=True).fill(demo["password"])
    page.get_by_role("button", name="SIGN IN").click()
    page.get_by_role("link", name="Cloud Configuration", exact=True).click()
    page.get_by_role("link", name="CREATE CLOUD CONFIGURATION").click()


def _look(page: Page, camera: Camera, name: str) -> None:
    page.evaluate(AXE)
    assert page.evaluate(LOOK) == []
    camera(f"aws-{name}")


def _choose(page: Page, way: str) -> None:
    page.get_by_label("AWS", exact=True).check()
    page.get_by_label(way).check()
    page.get_by_role("button", name="CONTINUE").click()


def test_with_access_keys(created: Page, aws: AwsServer, camera: Camera) -> None:
    """F066-F070, F052, F062, V18, V19."""
    page = created
    key, secret = aws.keys("ada", ALL)

    _choose(page, "With Access Keys")
    _look(page, camera, "keys")
    page.locator("#id_name").fill("Our AWS")
    page.locator("#id_access_key_id").fill("AKIANOSUCHKEY0000000")
    page.locator("#id_secret_access_key").fill(secret)
    page.locator("#id_region").select_option(REGION)
    aws.settings(enforce_iam=True)
    page.get_by_role("button", name="CREATE").click()
    expect(page.get_by_text("Provided access keys are not valid.")).to_be_visible(timeout=SLOW)
    _look(page, camera, "keys-refused")
    aws.settings(enforce_iam=False)
    page.locator("#id_access_key_id").fill(key)
    page.get_by_role("button", name="CREATE").click()

    expect(page.get_by_text("Cloud configuration Our AWS is ready to use.")).to_be_visible(
        timeout=SLOW
    )
    expect(page.get_by_text(CUSTOMER, exact=True)).to_be_visible()
    expect(page.get_by_text("FINISHED")).to_be_visible(timeout=SLOW)
    expect(page.get_by_text("The role can be assumed only with the External ID")).to_be_visible()
    assert key not in page.content()
    _look(page, camera, "linked")


def test_by_hand(created: Page, aws: AwsServer, camera: Camera) -> None:
    """F071-F078, F042-F048: the guide is followed with the values that it shows."""
    page = created
    _choose(page, "Manual Process")
    page.locator("#id_name").fill("By hand")
    page.locator("#id_bucket").fill("acme-metadata")
    page.locator("#id_table").fill("acme-locks")
    page.locator("#id_role_arn").fill(f"arn:aws:iam::{CUSTOMER}:role/BodoPlatformUser")
    page.locator("#id_region").select_option(REGION)
    expect(page.locator("#guide").get_by_text("acme-locks", exact=True)).to_be_visible()
    expect(page.locator("#guide").get_by_text(PLATFORM, exact=True)).to_be_visible()
    _look(page, camera, "manual")
    page.get_by_role("button", name="VALIDATE").click()
    expect(page.get_by_text("Not everything is in order yet.")).to_be_visible(timeout=SLOW)
    expect(page.get_by_role("button", name="CREATE", exact=True)).to_be_disabled()
    _look(page, camera, "manual-red")

    _follow_the_guide(page, aws)
    page.get_by_role("button", name="VALIDATE").click()
    expect(page.get_by_text("Validation successful.")).to_be_visible(timeout=SLOW)
    _look(page, camera, "manual-green")
    page.locator("#id_bucket").fill("another-bucket")
    page.locator("#id_table").focus()
    expect(page.get_by_role("button", name="CREATE", exact=True)).to_be_disabled()
    page.locator("#id_bucket").fill("acme-metadata")
    page.get_by_role("button", name="VALIDATE").click()
    expect(page.get_by_text("Validation successful.")).to_be_visible(timeout=SLOW)
    page.get_by_role("button", name="CREATE", exact=True).click()

    expect(page.get_by_text("Cloud configuration By hand is ready to use.")).to_be_visible(
        timeout=SLOW
    )


def _follow_the_guide(page: Page, aws: AwsServer) -> None:
    external_id = page.locator("#manual-form .copy-value").inner_text()
    policy = page.locator("[data-copy*=Statement]").get_attribute("data-copy")
    assert policy is not None
    assert all(region in policy for region in REGIONS)
    s3 = aws.client("s3", account=CUSTOMER)
    s3.create_bucket(
        Bucket="acme-metadata", CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    aws.client("dynamodb", account=CUSTOMER).create_table(
        TableName="acme-locks",
        AttributeDefinitions=[{"AttributeName": "LockID", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "LockID", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    iam = aws.client("iam", account=CUSTOMER)
    trust = trust_policy(platform_account_id=PLATFORM, external_id=external_id)
    iam.create_role(RoleName="BodoPlatformUser", AssumeRolePolicyDocument=json.dumps(trust))
    iam.put_role_policy(
        RoleName="BodoPlatformUser", PolicyName="Bodo-Platform-User-Policy", PolicyDocument=policy
    )


def test_role_is_created_for_me(created: Page, aws: AwsServer, camera: Camera) -> None:
    """F050-F054, V07."""
    page = created
    key, secret = aws.keys("ada", ALL)
    _choose(page, "Manual Process")
    page.locator("#id_bucket").fill("acme-metadata")
    page.locator("#id_table").fill("acme-locks")
    page.locator("#id_region").select_option(REGION)

    page.get_by_role("button", name="Create Role For Me").click()
    page.locator("#id_access_key_id").fill(key)
    page.locator("#id_secret_access_key").fill(secret)
    _look(page, camera, "role-panel")
    page.get_by_role("button", name="CREATE ROLE", exact=True).click()
    camera("aws-role-question")
    page.get_by_role("button", name="OK", exact=True).click()

    expect(page.get_by_text("Please copy-paste this into the Role ARN field")).to_be_visible(
        timeout=SLOW
    )
    expect(page.get_by_text(f"arn:aws:iam::{CUSTOMER}:role/BodoPlatformUser")).to_be_visible()
    _look(page, camera, "role-created")


def test_with_access_keys_without_javascript(
    browser: Browser, stack: Stack, aws: AwsServer
) -> None:
    key, secret = aws.keys("ada", ALL)
    context = browser.new_context(java_script_enabled=False)
    context.set_default_timeout(30_000)
    page = context.new_page()
    _open_form(page, stack)

    page.get_by_label("AWS", exact=True).check()
    page.get_by_role("button", name="CONTINUE").click()
    page.get_by_role("button", name="CONTINUE").click()
    page.locator("#id_name").fill("Plain")
    page.locator("#id_access_key_id").fill(key)
    page.locator("#id_secret_access_key").fill(secret)
    page.locator("#id_region").select_option(REGION)
    page.get_by_role("button", name="CREATE").click()

    expect(page.get_by_text("Cloud configuration Plain is ready to use.")).to_be_visible(
        timeout=SLOW
    )
    context.close()
