"""Linking an AWS account, through the pages: with access keys, by hand, and the role alone."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from accounts.models import User
from tests.clouds.aws_rules import CUSTOMER, PLATFORM, Aws
from tests.clouds.aws_samples import (
    ACCOUNT,
    REGION,
    REGIONS,
    ROLE_ARN,
    make_all,
    make_bucket,
    make_role,
    make_table,
)
from workspaces.models import CloudConfiguration, CloudDraft, Operation, Organization

HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def _offered(settings: Any, tmp_path: Any) -> None:
    cache.clear()
    settings.PROVIDERS = ["aws", "local"]
    settings.CLOUD_SETTINGS = {
        **settings.CLOUD_SETTINGS,
        "aws": {"regions": list(REGIONS), "cache_dir": str(tmp_path), "images": {}},
    }


@pytest.fixture
def owner(member: Callable[..., User], signed_in: Callable[[User], Client]) -> Client:
    return signed_in(member("OWNER"))


@pytest.fixture
def draft(owner: Client, organization: Organization) -> CloudDraft:
    owner.post(reverse("clouds:create", args=[organization.uuid]), {"provider": "aws"})
    return CloudDraft.objects.get()


@pytest.fixture
def url(organization: Organization, draft: CloudDraft) -> Callable[[str], str]:
    return lambda name: reverse(f"clouds:{name}", args=[organization.uuid, draft.uuid])


def _keys_form(keys: tuple[str, str], **fields: str) -> dict[str, str]:
    return {
        "name": "Our AWS",
        "access_key_id": keys[0],
        "secret_access_key": keys[1],
        "region": REGION,
        **fields,
    }


def _manual_form(action: str, **fields: str) -> dict[str, str]:
    return {
        "action": action,
        "name": "Our AWS",
        "bucket": ACCOUNT.bucket,
        "table": ACCOUNT.table,
        "role_arn": ROLE_ARN,
        "region": REGION,
        **fields,
    }


def _mark(page: str) -> str:
    found = re.search(r'name="validated" value="([^"]*)"', page)
    assert found
    return found[1]


def _adopt(aws: Aws, draft: CloudDraft) -> None:
    """The console work of the guide, with the draft's External ID."""
    make_bucket(aws)
    make_table(aws)
    make_role(aws, external_id=draft.external_id)


# The choice ------------------------------------------------------------------------------------


def test_aws_is_not_offered_unless_the_operator_turned_it_on(
    owner: Client, organization: Organization, settings: Any
) -> None:
    settings.PROVIDERS = ["local"]
    create = reverse("clouds:create", args=[organization.uuid])

    page = owner.get(create)
    posted = owner.post(create, {"provider": "aws"})

    assert "AWS" not in page.content.decode()
    assert posted.status_code == 422
    assert not CloudDraft.objects.exists()


def test_draft_is_not_there_when_aws_is_turned_off(
    owner: Client, url: Callable[[str], str], settings: Any
) -> None:
    settings.PROVIDERS = ["local"]

    assert owner.get(url("aws_draft")).status_code == 404


def test_choice_of_provider_brings_its_own_part(owner: Client, organization: Organization) -> None:
    create = reverse("clouds:create", args=[organization.uuid])

    nothing = owner.get(create).content.decode()
    aws = owner.get(create, {"provider": "aws"}, headers=HTMX).content.decode()
    local = owner.get(create, {"provider": "local"}, headers=HTMX).content.decode()

    assert 'formmethod="get"' in nothing
    assert "With Access Keys" in aws
    assert "Manual Process" in aws
    assert "<html" not in aws
    assert 'name="name"' in local


def test_external_id_is_there_before_the_configuration_and_stays(
    aws: Aws,
    owner: Client,
    organization: Organization,
    draft: CloudDraft,
    url: Callable[[str], str],
) -> None:
    first = owner.get(url("aws_draft"), {"way": "manual"}).content.decode()
    owner.post(
        reverse("clouds:create", args=[organization.uuid]), {"provider": "aws", "way": "keys"}
    )

    again = owner.get(url("aws_draft"), {"way": "manual"}).content.decode()

    assert CloudDraft.objects.get().external_id == draft.external_id
    assert draft.external_id in first
    assert draft.external_id in again


def test_each_person_has_an_external_id_of_their_own(
    owner: Client,
    draft: CloudDraft,
    organization: Organization,
    member: Callable[..., User],
    signed_in: Callable[[User], Client],
) -> None:
    other = signed_in(member("ADMIN"))

    other.post(reverse("clouds:create", args=[organization.uuid]), {"provider": "aws"})

    assert len(set(CloudDraft.objects.values_list("external_id", flat=True))) == 2


def test_unfinished_draft_is_in_the_list_of_its_author(
    owner: Client, organization: Organization, url: Callable[[str], str]
) -> None:
    page = owner.get(reverse("clouds:list", args=[organization.uuid])).content.decode()

    assert "NOT FINISHED" in page
    assert url("aws_draft") in page


def test_draft_can_be_discarded(owner: Client, url: Callable[[str], str]) -> None:
    owner.post(url("aws_discard"))

    assert not CloudDraft.objects.exists()


# With Access Keys ------------------------------------------------------------------------------


def test_keys_form_has_the_documented_fields_in_order(
    owner: Client, url: Callable[[str], str]
) -> None:
    page = owner.get(url("aws_draft")).content.decode()

    labels = ["Name", "Access Key ID", "Access Secret Key", "Metadata Storage Region", "CREATE"]
    places = [page.index(f">{label}<") for label in labels]
    assert places == sorted(places)
    assert "We will not save the provided Access Keys for security reasons." in page


def test_keys_make_everything_in_one_request_without_javascript(
    aws: Aws, owner: Client, draft: CloudDraft, url: Callable[[str], str]
) -> None:
    answer = owner.post(url("aws_keys"), _keys_form(aws.keys()))

    made = CloudConfiguration.objects.get()
    assert answer.status_code == 302
    assert (made.uuid, made.name, made.provider) == (draft.uuid, "Our AWS", "aws")
    assert made.settings["external_id"] == draft.external_id
    assert made.settings["account_id"] == CUSTOMER
    assert made.settings["role_arn"] == ROLE_ARN
    assert not CloudDraft.objects.exists()


def test_htmx_goes_step_by_step_and_brings_the_keys_each_time(
    aws: Aws, owner: Client, url: Callable[[str], str]
) -> None:
    form, asked, page = _keys_form(aws.keys()), [], ""
    step = ""

    for _ in range(4):
        page = owner.post(url("aws_keys"), {**form, "step": step}, headers=HTMX).content.decode()
        following = re.search(r'&quot;step&quot;: &quot;(\w+)|"step": "(\w+)"', page)
        step = (following[1] or following[2]) if following else ""
        asked.append(step)
    done = owner.post(url("aws_finish"), headers=HTMX)

    assert asked == ["bucket", "table", "role", ""]
    assert 'hx-trigger="load"' in page
    assert done.headers["HX-Redirect"].endswith(f"{CloudConfiguration.objects.get().uuid}/")


@pytest.mark.parametrize("steps", [1, 2, 3, 4])
def test_after_a_break_the_same_form_goes_on(
    aws: Aws, owner: Client, url: Callable[[str], str], steps: int
) -> None:
    form = _keys_form(aws.keys())
    for step in ("rights", "bucket", "table", "role")[:steps]:
        owner.post(url("aws_keys"), {**form, "step": step}, headers=HTMX)

    answer = owner.post(url("aws_keys"), form)

    assert answer.status_code == 302
    assert len(aws.customer("s3").list_buckets()["Buckets"]) == 1


def test_missing_rights_are_named_and_nothing_is_made(
    aws: Aws, owner: Client, url: Callable[[str], str]
) -> None:
    keys = aws.keys(rights=["s3:*", "iam:*"])

    answer = owner.post(url("aws_keys"), _keys_form(keys))

    page = answer.content.decode()
    assert answer.status_code == 422
    assert "dynamodb:CreateTable" in page
    assert "?way=manual" in page
    assert aws.customer("s3").list_buckets()["Buckets"] == []


def test_role_that_exists_has_its_own_way_out(
    aws: Aws, owner: Client, url: Callable[[str], str]
) -> None:
    make_role(aws, external_id="of-somebody-else")

    answer = owner.post(url("aws_keys"), _keys_form(aws.keys()))

    page = answer.content.decode()
    assert answer.status_code == 422
    assert "A role named BodoPlatformUser exists already" in page
    assert ROLE_ARN in page
    assert not CloudConfiguration.objects.exists()


def test_keys_that_aws_does_not_know(
    aws: Aws, owner: Client, url: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from moto.sts.responses import TokenResponse

    from tests.clouds.aws_rules import Refused

    def refuse(self: Any) -> None:
        raise Refused("InvalidClientTokenId", "The security token AKIANOBODY is invalid")

    monkeypatch.setattr(TokenResponse, "get_caller_identity", refuse)

    answer = owner.post(url("aws_keys"), _keys_form(("AKIANOBODY0000000000", "s" * 40)))

    page = answer.content.decode()
    assert "Provided access keys are not valid." in page
    assert "AKIANOBODY" not in page


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "", "This field is required"),
        ("region", "eu-central-1", "not one of the available choices"),
        ("access_key_id", "ASIA0000000000000000", "temporary key"),
        ("access_key_id", "not a key", "20 capital letters"),
        ("secret_access_key", "short", "40 characters"),
    ],
)
def test_wrong_field_is_told_and_aws_not_asked(
    owner: Client, url: Callable[[str], str], field: str, value: str, words: str
) -> None:
    form = _keys_form(("AKIA0000000000000000", "s" * 40), **{field: value})

    answer = owner.post(url("aws_keys"), form)

    assert answer.status_code == 422
    assert words in answer.content.decode()


def test_new_role_that_is_not_everywhere_yet_is_waited_for(
    aws: Aws, owner: Client, draft: CloudDraft, url: Callable[[str], str]
) -> None:
    form = _keys_form(aws.keys())
    for step in ("rights", "bucket", "table", "role"):
        owner.post(url("aws_keys"), {**form, "step": step}, headers=HTMX)
    iam = aws.customer("iam")
    iam.delete_role_policy(RoleName="BodoPlatformUser", PolicyName="Bodo-Platform-User-Policy")
    iam.delete_role(RoleName="BodoPlatformUser")

    waiting = owner.post(url("aws_finish"), headers=HTMX).content.decode()
    CloudDraft.objects.update(role_made_at=timezone.now() - timedelta(minutes=3))
    given_up = owner.post(url("aws_finish"), headers=HTMX).content.decode()

    assert 'hx-trigger="load delay:4s"' in waiting
    assert "load delay" not in given_up
    assert "The platform may not assume" in given_up


def test_keys_are_nowhere_afterwards(
    aws: Aws,
    owner: Client,
    url: Callable[[str], str],
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Database with queue, cache and sessions, logs of every level, all answers, and the page of
    a failure nobody foresaw, with Django's debugging on, which shows every variable it may.
    """
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.db.DatabaseCache",
            "LOCATION": "bodoweb_cache",
        }
    }
    key, secret = aws.keys(rights=["iam:*", "s3:*"])
    good = aws.keys("grace")
    owner.raise_request_exception = False
    caplog.set_level(logging.DEBUG)

    answers = [owner.post(url("aws_keys"), _keys_form((key, secret), name=""))]
    answers += [owner.post(url("aws_keys"), _keys_form((key, secret)))]
    answers += [owner.post(url("aws_role"), _keys_form((key, secret)))]
    with monkeypatch.context() as broken:
        broken.setattr("workspaces.clouds.aws.setup.make_table", _boom)
        settings.DEBUG = True
        answers += [owner.post(url("aws_keys"), _keys_form(good))]
        answers += [
            owner.post(url("aws_keys"), {**_keys_form(good), "step": "table"}, headers=HTMX)
        ]
        settings.DEBUG = False
    answers += [owner.post(url("aws_keys"), _keys_form(good))]

    call_command("dumpdata", "--all")
    everything = capsys.readouterr().out + caplog.text + _cache_rows()
    everything += "".join(answer.content.decode() for answer in answers)
    assert [answer.status_code for answer in answers] == [422, 422, 200, 500, 500, 302]
    assert "KeyError" in answers[3].content.decode()  # the page of debugging was looked at
    for text in (key, secret, *good):
        assert text not in everything
        assert str(escape(text)) not in everything


def _boom(*_args: object) -> None:
    raise KeyError("nobody foresaw this")


def _cache_rows() -> str:
    with connection.cursor() as cursor:
        if "bodoweb_cache" not in connection.introspection.table_names(cursor):
            return ""
        cursor.execute("SELECT * FROM bodoweb_cache")
        return str(cursor.fetchall())


# Manual Process --------------------------------------------------------------------------------


def test_manual_form_has_the_documented_fields_in_order(
    aws: Aws, owner: Client, url: Callable[[str], str]
) -> None:
    page = owner.get(url("aws_draft"), {"way": "manual"}).content.decode()

    labels = ["Name", "External ID", "S3 Bucket Name", "Dynamo DB Table", "Role ARN"]
    labels += ["Create Role For Me", "Metadata Storage Region", "VALIDATE", "CREATE"]
    places = [page.index(f">{label}<") for label in labels]
    assert places == sorted(places)
    assert re.search(r'value="create" disabled', page)


def test_guide_shows_the_users_own_values(
    aws: Aws, owner: Client, draft: CloudDraft, url: Callable[[str], str]
) -> None:
    page = owner.post(url("aws_manual"), _manual_form("keep"), headers=HTMX).content.decode()
    file = owner.get(url("aws_policy"))

    assert f'<code class="copy-value">{PLATFORM}</code>' in page
    for value in (ACCOUNT.bucket, ACCOUNT.table, draft.external_id, "LockID", "BodoPlatformUser"):
        assert value in page
    assert "481633624848" not in page
    assert f"arn:aws:dynamodb:{REGION}:{CUSTOMER}:table/{ACCOUNT.table}" in page
    assert ACCOUNT.bucket in file.content.decode()
    assert "Bodo-Platform-User-Policy.json" in file.headers["Content-Disposition"]


def test_operators_setting_says_whom_to_trust(
    owner: Client, url: Callable[[str], str], settings: Any
) -> None:
    settings.CLOUD_SETTINGS["aws"]["platform_account_id"] = "999988887777"

    page = owner.get(url("aws_draft"), {"way": "manual"}).content.decode()

    assert "999988887777" in page


def test_all_green_opens_create_and_create_makes_it(
    aws: Aws, owner: Client, draft: CloudDraft, url: Callable[[str], str]
) -> None:
    _adopt(aws, draft)

    page = owner.post(url("aws_manual"), _manual_form("validate"), headers=HTMX).content.decode()
    answer = owner.post(url("aws_manual"), _manual_form("create", validated=_mark(page)))

    made = CloudConfiguration.objects.get()
    assert "Validation successful" in page
    assert not re.search(r'value="create" disabled', page)
    assert answer.status_code == 302
    assert made.settings["external_id"] == draft.external_id
    assert made.settings["bucket"] == ACCOUNT.bucket


def test_red_line_keeps_create_shut(
    aws: Aws, owner: Client, draft: CloudDraft, url: Callable[[str], str]
) -> None:
    make_all(aws)  # with another External ID

    page = owner.post(url("aws_manual"), _manual_form("validate")).content.decode()

    assert "trust relationship" in page
    assert _mark(page) == ""
    assert re.search(r'value="create" disabled', page)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("bucket", "other-bucket"),
        ("table", "other"),
        ("region", "us-west-2"),
        ("role_arn", f"arn:aws:iam::{CUSTOMER}:role/Other"),
    ],
)
def test_editing_after_success_locks_create_again(
    aws: Aws,
    owner: Client,
    draft: CloudDraft,
    url: Callable[[str], str],
    field: str,
    value: str,
) -> None:
    _adopt(aws, draft)
    page = owner.post(url("aws_manual"), _manual_form("validate")).content.decode()
    form = _manual_form("create", validated=_mark(page), **{field: value})

    answer = owner.post(url("aws_manual"), form)

    assert answer.status_code == 422
    assert "Click VALIDATE first" in answer.content.decode()
    assert not CloudConfiguration.objects.exists()


def test_edit_takes_the_mark_out_of_the_page(
    aws: Aws, owner: Client, draft: CloudDraft, url: Callable[[str], str]
) -> None:
    answer = owner.post(url("aws_manual"), _manual_form("keep"), headers=HTMX).content.decode()

    assert 'id="manual-buttons" hx-swap-oob="true"' in answer
    assert _mark(answer) == ""


@pytest.mark.parametrize("mark", ["", "forged", "WyJ4Il0:1:abc"])
def test_forged_mark_opens_nothing(
    owner: Client, url: Callable[[str], str], mark: str, aws: Aws
) -> None:
    answer = owner.post(url("aws_manual"), _manual_form("create", validated=mark))

    assert answer.status_code == 422
    assert not CloudConfiguration.objects.exists()


def test_mark_of_another_draft_opens_nothing(
    aws: Aws,
    owner: Client,
    draft: CloudDraft,
    url: Callable[[str], str],
    organization: Organization,
    member: Callable[..., User],
) -> None:
    _adopt(aws, draft)
    page = owner.post(url("aws_manual"), _manual_form("validate")).content.decode()
    other = CloudDraft.objects.create(
        organization=organization, author=member("ADMIN"), provider="aws"
    )

    answer = owner.post(
        reverse("clouds:aws_manual", args=[organization.uuid, other.uuid]),
        _manual_form("create", validated=_mark(page)),
    )

    assert answer.status_code == 422


def test_external_id_is_never_the_users_choice(
    aws: Aws, owner: Client, draft: CloudDraft, url: Callable[[str], str]
) -> None:
    _adopt(aws, draft)
    chosen = {"external_id": "chosen"}
    page = owner.post(url("aws_manual"), _manual_form("validate", **chosen)).content.decode()

    owner.post(url("aws_manual"), _manual_form("create", validated=_mark(page), **chosen))

    assert CloudConfiguration.objects.get().settings["external_id"] == draft.external_id


def test_second_create_of_a_double_click_makes_nothing_more(
    aws: Aws, owner: Client, draft: CloudDraft, url: Callable[[str], str]
) -> None:
    _adopt(aws, draft)
    page = owner.post(url("aws_manual"), _manual_form("validate")).content.decode()
    form = _manual_form("create", validated=_mark(page))
    owner.post(url("aws_manual"), form)

    again = owner.post(url("aws_manual"), form)

    assert again.status_code == 404
    assert CloudConfiguration.objects.count() == 1


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("bucket", "Not_A_Bucket", "3 to 63 small letters"),
        ("table", "x", "3 to 255 letters"),
        ("role_arn", "arn:aws:iam::1:user/ada", "A Role ARN looks like"),
        ("region", "", "This field is required"),
    ],
)
def test_wrong_value_is_told_at_its_field(
    aws: Aws, owner: Client, url: Callable[[str], str], field: str, value: str, words: str
) -> None:
    answer = owner.post(url("aws_manual"), _manual_form("validate", **{field: value}))

    assert answer.status_code == 422
    assert words in answer.content.decode()


def test_what_was_typed_is_still_there_later(
    aws: Aws, owner: Client, url: Callable[[str], str]
) -> None:
    owner.post(url("aws_manual"), _manual_form("keep"))

    page = owner.get(url("aws_draft")).content.decode()

    assert f'value="{ACCOUNT.bucket}"' in page
    assert f'value="{ROLE_ARN}"' in page


# Create Role For Me ----------------------------------------------------------------------------


def test_role_is_created_and_its_arn_shown(
    aws: Aws, owner: Client, draft: CloudDraft, url: Callable[[str], str]
) -> None:
    page = owner.post(url("aws_manual"), _manual_form("role"), follow=True).content.decode()
    made = owner.post(url("aws_role"), _keys_form(aws.keys(rights=["iam:*"]))).content.decode()

    trust = aws.customer("iam").get_role(RoleName="BodoPlatformUser")["Role"]
    statement = trust["AssumeRolePolicyDocument"]["Statement"][0]
    assert "CREATE ROLE" in page
    assert ">OK<" in page
    assert ROLE_ARN in made
    assert "Please copy-paste this into the Role ARN field on the form" in made
    assert statement["Condition"]["StringEquals"]["sts:ExternalId"] == draft.external_id


def test_role_asks_for_what_its_policy_names(owner: Client, url: Callable[[str], str]) -> None:
    page = owner.get(url("aws_role")).content.decode()

    assert "Enter S3 Bucket Name, Dynamo DB Table and Metadata Storage Region" in page


@pytest.mark.parametrize(
    ("rights", "words"),
    [(["iam:Get*", "iam:Simulate*"], "iam:CreateRole"), (["iam:*"], "exists already")],
)
def test_each_failure_has_its_sentence_and_leads_to_the_guide(
    aws: Aws, owner: Client, url: Callable[[str], str], rights: list[str], words: str
) -> None:
    owner.post(url("aws_manual"), _manual_form("keep"))
    make_role(aws, external_id="of-somebody-else")

    answer = owner.post(url("aws_role"), _keys_form(aws.keys(rights=rights)))

    page = answer.content.decode()
    assert answer.status_code == 422
    assert words in page
    assert "Create the IAM Role manually" in page


# Afterwards ------------------------------------------------------------------------------------


@pytest.fixture
def configuration(
    aws: Aws, owner: Client, draft: CloudDraft, url: Callable[[str], str]
) -> CloudConfiguration:
    owner.post(url("aws_keys"), _keys_form(aws.keys()))
    return CloudConfiguration.objects.get()


def test_page_shows_what_was_linked(
    owner: Client, organization: Organization, configuration: CloudConfiguration
) -> None:
    address = reverse("clouds:detail", args=[organization.uuid, configuration.uuid])
    checks = reverse("clouds:checks", args=[organization.uuid, configuration.uuid])

    page = owner.get(address).content.decode()
    lines = owner.get(checks, headers=HTMX).content.decode()

    for value in (CUSTOMER, ROLE_ARN, configuration.settings["external_id"], "AMI Share Status"):
        assert value in page
    assert lines.count("in order") == 6
    assert "<html" not in lines
    assert "<html" in owner.get(checks).content.decode()


def test_images_are_shared_region_by_region(
    aws: Aws,
    owner: Client,
    organization: Organization,
    configuration: CloudConfiguration,
    settings: Any,
    run_operations: Callable[..., int],
) -> None:
    import boto3

    ec2 = boto3.client("ec2", region_name=REGION)
    image = ec2.register_image(Name="bodo-2026.10", RootDeviceName="/dev/sda1")["ImageId"]
    settings.CLOUD_SETTINGS["aws"]["images"] = {
        "2026.10": {REGION: image, "us-west-1": "ami-0123456789abcdef0"}
    }

    run_operations()

    configuration.refresh_from_db()
    shares = configuration.settings["image_shares"]
    operation = Operation.objects.get(target_uuid=configuration.uuid)
    page = owner.get(reverse("clouds:shares", args=[organization.uuid, configuration.uuid]))
    assert {region: row["status"] for region, row in shares.items()} == {
        "us-east-1": "NO IMAGES",
        "us-east-2": "FINISHED",
        "us-west-1": "FAILED",
        "us-west-2": "NO IMAGES",
    }
    assert operation.status == "FAILED"
    assert "could not" in operation.error_message
    assert "status-badge-green" in page.content.decode()


def test_sharing_again_after_the_cause_is_gone(
    owner: Client,
    organization: Organization,
    configuration: CloudConfiguration,
    run_operations: Callable[..., int],
) -> None:
    run_operations()

    owner.post(reverse("clouds:prepare", args=[organization.uuid, configuration.uuid]))
    run_operations()

    statuses = Operation.objects.filter(target_uuid=configuration.uuid).values_list("status")
    assert [row[0] for row in statuses] == ["FINISHED", "FINISHED"]


def test_member_may_not_and_stranger_finds_nothing(
    url: Callable[[str], str],
    member: Callable[..., User],
    user: Callable[..., User],
    signed_in: Callable[[User], Client],
) -> None:
    insider, stranger = signed_in(member("MEMBER")), signed_in(user("eve@example.org"))

    for name in ("aws_draft", "aws_role", "aws_policy"):
        assert insider.get(url(name)).status_code == 403
        assert stranger.get(url(name)).status_code == 404
    for name in ("aws_keys", "aws_finish", "aws_manual", "aws_discard"):
        assert insider.post(url(name)).status_code == 403
        assert stranger.post(url(name)).status_code == 404
