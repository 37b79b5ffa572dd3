"""Linking an AWS account, by access keys or by hand.

Why the keys never meet a worker: an operation's arguments are rows and its queue is a table, so
keys on their way to a worker would lie in the database. Making bucket, table and role takes a few
seconds in small, repeatable steps; so each step is one request that brings the keys along in its
body, uses them, and forgets them with the request. The browser keeps them in its form meanwhile;
no answer ever carries them back.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, cast

from django.conf import settings
from django.core import signing
from django.core.cache import cache
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from accounts.models import User
from workspaces.clouds.aws.keys import AccessKeys, SetupStep
from workspaces.clouds.aws.names import account_of, bucket_name, table_name
from workspaces.clouds.base import Check, CloudError
from workspaces.clouds.registry import cloud_for
from workspaces.models import CloudConfiguration, CloudDraft, Organization
from workspaces.operations.lifecycle import Actor, operation_start
from workspaces.services.timeline import timeline_note

if TYPE_CHECKING:
    from workspaces.clouds.aws.driver import AwsCloud

ACCOUNT_FIELDS = ("bucket", "table", "role_arn", "region")
VALIDATED_SECONDS = 3600
ROLE_SPREADS = timedelta(minutes=2)  # until AWS lets a new role be assumed everywhere
_ACCOUNT_CACHE = "aws platform account"
_SALT = "workspaces.cloud_draft.validated"


class CloudDraftTaken(Exception):  # noqa: N818 - an expected refusal
    """It was made into a configuration meanwhile, or the name was taken; says so to the user."""


def cloud_draft_open(*, organization: Organization, author: User, provider: str) -> CloudDraft:
    """The author's unfinished one, else a fresh one with a new External ID (F071)."""
    draft, _ = CloudDraft.objects.get_or_create(
        organization=organization, author=author, provider=provider
    )
    return draft


def cloud_draft_keep(
    *, draft: CloudDraft, values: Mapping[str, str], way: str | None = None
) -> None:
    """Remember what was typed, and which way was chosen. Never give it a key."""
    draft.values = {**draft.values, **values}
    draft.way = way or draft.way
    draft.save(update_fields=["values", "way"])


def cloud_draft_discard(*, draft: CloudDraft) -> None:
    """What its keys made in the account stays; the page says what that is."""
    draft.delete()


def draft_cloud(draft: CloudDraft) -> AwsCloud:
    """The driver for what the draft says so far."""
    typed = {name: draft.values.get(name, "") for name in ACCOUNT_FIELDS}
    return _cloud(typed | {"external_id": draft.external_id})


def _cloud(account: Mapping[str, object]) -> AwsCloud:
    return cast("AwsCloud", cloud_for("aws", {**account, **settings.CLOUD_SETTINGS["aws"]}))


def configuration_policy(configuration: CloudConfiguration) -> str:
    """What its role shall be allowed, in the version of today; JSON text."""
    return _cloud(configuration.settings).user_policy()


def platform_account_told() -> tuple[str, str]:
    """(the account that roles must trust, why it is not known); one of them is empty (K1).

    Kept for a minute, so that a page does not ask AWS each time.
    """
    told: tuple[str, str] | None = cache.get(_ACCOUNT_CACHE)
    if told is None:
        try:
            told = _cloud({}).platform_account_id(), ""
        except CloudError as error:
            told = "", error.message
        cache.set(_ACCOUNT_CACHE, told, 60)
    return told


@sensitive_variables("keys")
def cloud_draft_setup(
    *, draft: CloudDraft, step: SetupStep, typed: Mapping[str, str], keys: AccessKeys
) -> str:
    """Do one step with the customer's keys; the sentence on what is there now.

    ``typed``: name and region. Raises CloudError. After ROLE the draft knows all that a
    configuration needs.
    """
    names = {"bucket": bucket_name(draft.uuid), "table": table_name(draft.uuid)}
    cloud_draft_keep(draft=draft, values={**typed, **names}, way=CloudDraft.Way.KEYS)
    told = draft_cloud(draft).run_setup(step, draft.uuid, keys)
    if step == SetupStep.ROLE:
        draft.values = {**draft.values, "role_arn": told}
        draft.role_made_at = draft.role_made_at or timezone.now()
        draft.save(update_fields=["values", "role_made_at"])
    return told


@sensitive_variables("keys")
def cloud_draft_create_role(*, draft: CloudDraft, keys: AccessKeys) -> str:
    """Create Role For Me (F050 to F057): the ARN, for the user to put into the form."""
    return draft_cloud(draft).create_role(draft.uuid, keys)


def cloud_draft_validate(*, draft: CloudDraft) -> list[Check]:
    return draft_cloud(draft).validate()


def validated_mark(draft: CloudDraft) -> str:
    """Says, signed, that just these values of this draft were all green a moment ago."""
    return signing.dumps(_marked(draft), salt=_SALT)


def is_validated(draft: CloudDraft, mark: str) -> bool:
    """False when a value was edited since, or it is longer ago than an hour."""
    try:
        marked = signing.loads(mark, salt=_SALT, max_age=VALIDATED_SECONDS)
    except signing.BadSignature:
        return False
    return bool(marked == _marked(draft))


def _marked(draft: CloudDraft) -> list[str]:
    values = [str(draft.values.get(name, "")) for name in ACCOUNT_FIELDS]
    return [str(draft.uuid), draft.external_id, *values]


@transaction.atomic
def cloud_draft_finish(*, draft: CloudDraft, actor: Actor) -> CloudConfiguration:
    """Make the configuration, with the draft's ids, and let its images be shared.

    The caller has seen the checklist green. Raises CloudDraftTaken: of two at once one wins.
    """
    values = draft.values
    account = {name: values[name] for name in ACCOUNT_FIELDS}
    account |= {"external_id": draft.external_id, "account_id": account_of(values["role_arn"])}
    try:
        with transaction.atomic():
            configuration = CloudConfiguration.objects.create(
                uuid=draft.uuid,
                organization=draft.organization,
                name=values["name"],
                provider=draft.provider,
                settings=account,
            )
    except IntegrityError as error:
        raise CloudDraftTaken(
            f"Your organization has a configuration named {values['name']} already."
        ) from error
    after = {"name": values["name"], "provider": draft.provider, "account": account["account_id"]}
    timeline_note(
        draft.organization, configuration, actor, "cloud_configuration.create", after=after
    )
    draft.delete()
    cloud_configuration_prepare(configuration=configuration, actor=actor)
    return configuration


@transaction.atomic
def cloud_configuration_prepare(*, configuration: CloudConfiguration, actor: Actor) -> None:
    """Share the images and list the instance types, region by region (F062).

    Raises OperationConflict while that is being done already.
    """
    operation_start(
        kind="cloud_configuration.prepare",
        target_uuid=configuration.uuid,
        organization=configuration.organization,
        workspace=None,
        actor=actor,
    )


@transaction.atomic
def image_share_record(
    *, configuration: CloudConfiguration, region: str, status: str, message: str
) -> None:
    """What AMI Share Status shows for the region."""
    row = CloudConfiguration.objects.select_for_update().get(pk=configuration.pk)
    shares = {
        **row.settings.get("image_shares", {}),
        region: {"status": status, "message": message},
    }
    row.settings = {**row.settings, "image_shares": shares}
    row.save(update_fields=["settings"])
    configuration.settings = row.settings
