"""Pages that link an AWS account: with access keys, by hand, and Create Role For Me.

Access keys come in the body of a request, are used within it and go with it; see
``workspaces.services.cloud_drafts`` for why no worker ever meets them. Each page works without
JavaScript: with it, the steps are separate requests that show how far they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRedirect

from workspaces.aws_forms import AwsKeysForm, AwsManualForm, RoleKeysForm
from workspaces.clouds.aws.keys import SetupStep
from workspaces.clouds.aws.names import POLICY_NAME, ROLE_NAME, bucket_name, table_name
from workspaces.clouds.base import Check, CloudError
from workspaces.models import CloudDraft, Organization
from workspaces.operations import Actor
from workspaces.permissions import HtmxOrgRequest, organization_view
from workspaces.services import (
    CloudDraftTaken,
    cloud_draft_create_role,
    cloud_draft_discard,
    cloud_draft_finish,
    cloud_draft_keep,
    cloud_draft_setup,
    cloud_draft_validate,
    draft_cloud,
    is_validated,
    platform_account_told,
    validated_mark,
)
from workspaces.services.cloud_drafts import ROLE_SPREADS

PAGE = "workspaces/cloud_draft.html"
QUOTA_LINE = "Limits of the account"  # advice (F064): it keeps nobody from linking an account
SETUP_LABELS = {
    SetupStep.RIGHTS: "Check the rights of the keys",
    SetupStep.BUCKET: "Create the S3 bucket",
    SetupStep.TABLE: "Create the Dynamo DB table",
    SetupStep.ROLE: f"Create the role {ROLE_NAME}",
}
SECRET_FIELDS = ("access_key_id", "secret_access_key")


@dataclass(frozen=True)
class SetupLine:
    """``state``: done, now, failed or later."""

    label: str
    state: str


def _draft(organization: Organization, uuid: str) -> CloudDraft:
    if "aws" not in settings.PROVIDERS:
        raise Http404
    return get_object_or_404(CloudDraft, organization=organization, provider="aws", uuid=uuid)


@organization_view("cloud_configuration.create")
@require_GET
def aws_draft_page(request: HtmxOrgRequest, organization: Organization, draft: str) -> HttpResponse:
    """``?way=`` shows the other of the two ways."""
    row = _draft(organization, draft)
    way = request.GET.get("way")
    row.way = way if way in CloudDraft.Way.values else row.way
    form_class = AwsManualForm if row.way == CloudDraft.Way.MANUAL else AwsKeysForm
    form = form_class(initial=row.values, organization=organization)
    return render(request, PAGE, _context(row, form))


def _context(draft: CloudDraft, form: object, **more: object) -> dict[str, Any]:
    return {
        "organization": draft.organization,
        "draft": draft,
        "form": form,
        "ways": [(value, label, value == draft.way) for value, label in CloudDraft.Way.choices],
        **(_guide(draft) if draft.way == CloudDraft.Way.MANUAL else {}),
        "names": [bucket_name(draft.uuid), table_name(draft.uuid), ROLE_NAME],
        **more,
    }


def _guide(draft: CloudDraft) -> dict[str, Any]:
    """The user's own values for the numbered guides; never fails, says what is not known."""
    account_id, problem = platform_account_told()
    return {
        "platform_account_id": account_id,
        "platform_problem": problem,
        "policy": draft_cloud(draft).user_policy(),
        "policy_name": POLICY_NAME,
        "role_name": ROLE_NAME,
        "bucket": draft.values.get("bucket") or bucket_name(draft.uuid),
        "table": draft.values.get("table") or table_name(draft.uuid),
        "region": draft.values.get("region") or "the Metadata Storage Region",
    }


# With Access Keys -------------------------------------------------------------------------------


@organization_view("cloud_configuration.create")
@require_POST
@sensitive_post_parameters(*SECRET_FIELDS)
@sensitive_variables("form", "keys")
def aws_keys_action(
    request: HtmxOrgRequest, organization: Organization, draft: str
) -> HttpResponse:
    """One step for HTMX, which asks for the next one; without JavaScript all of them at once."""
    row = _draft(organization, draft)
    row.way = CloudDraft.Way.KEYS
    form = AwsKeysForm(request.POST, organization=organization)
    if not form.is_valid():
        return _keys_answer(request, row, form, status=422)
    step = SetupStep.RIGHTS
    try:
        for step in _asked_steps(request):
            cloud_draft_setup(draft=row, step=step, typed=form.plain(), keys=form.keys())
    except CloudError as error:
        lines = _lines(step, "failed")
        return _keys_answer(request, row, form, status=422, lines=lines, problem=error.message)
    if step != SetupStep.ROLE:
        following = list(SetupStep)[list(SetupStep).index(step) + 1]
        return _keys_answer(request, row, form, lines=_lines(following, "now"), next_step=following)
    if request.htmx:
        return _keys_answer(request, row, form, lines=_lines(None, "now"), is_made=True)
    return _finish(request, row)


def _asked_steps(request: HtmxOrgRequest) -> list[SetupStep]:
    if not request.htmx:
        return list(SetupStep)
    step = request.POST.get("step", "")
    return [SetupStep(step) if step in list(SetupStep) else SetupStep.RIGHTS]


def _lines(current: SetupStep | None, state: str) -> list[SetupLine]:
    """What is before ``current`` is done; None is the last line, the check."""
    steps: list[SetupStep | None] = [*SetupStep, None]
    place = steps.index(current)
    states = ["done"] * place + [state] + ["later"] * (len(steps) - place - 1)
    labels = [*SETUP_LABELS.values(), "Check everything, as Validate does"]
    return [SetupLine(label, one) for label, one in zip(labels, states, strict=True)]


@sensitive_variables("form")
def _keys_answer(
    request: HtmxOrgRequest,
    draft: CloudDraft,
    form: AwsKeysForm,
    status: int = 200,
    **more: object,
) -> HttpResponse:
    name = f"{PAGE}#setup-progress" if request.htmx else PAGE
    return render(request, name, _context(draft, form, **more), status=status)


@organization_view("cloud_configuration.create")
@require_POST
def aws_finish_action(
    request: HtmxOrgRequest, organization: Organization, draft: str
) -> HttpResponse:
    """After the keys have done their work, without them: look through the new role."""
    row = _draft(organization, draft)
    row.way = CloudDraft.Way.KEYS
    return _finish(request, row)


def _finish(request: HtmxOrgRequest, draft: CloudDraft) -> HttpResponse:
    form = AwsKeysForm(initial=draft.values, organization=draft.organization)
    if draft.role_made_at is None:
        return _keys_answer(request, draft, form, status=422, problem="There is no role yet.")
    red = [line for line in cloud_draft_validate(draft=draft) if not line.ok]
    if any(line.name != QUOTA_LINE for line in red):
        is_waiting = timezone.now() - draft.role_made_at < ROLE_SPREADS
        lines = _lines(None, "now" if is_waiting else "failed")
        return _keys_answer(
            request, draft, form, lines=lines, red=red, is_made=True, is_waiting=is_waiting
        )
    return _created(request, draft) or _keys_answer(request, draft, form, status=422)


def _created(request: HtmxOrgRequest, draft: CloudDraft) -> HttpResponse | None:
    """The answer that leads to the new configuration; None after a message when it was taken."""
    try:
        configuration = cloud_draft_finish(draft=draft, actor=Actor(request.user))
    except CloudDraftTaken as error:
        messages.error(request, str(error))
        return None
    messages.success(request, f"Cloud configuration {configuration.name} is ready to use.")
    answer = redirect(
        "clouds:detail", organization=draft.organization.uuid, configuration=configuration.uuid
    )
    return HttpResponseClientRedirect(answer["Location"]) if request.htmx else answer


# Manual Process ---------------------------------------------------------------------------------


@organization_view("cloud_configuration.create")
@require_POST
def aws_manual_action(
    request: HtmxOrgRequest, organization: Organization, draft: str
) -> HttpResponse:
    """``action``: keep (fill in the guide), role (Create Role For Me), validate, create."""
    row = _draft(organization, draft)
    form = AwsManualForm(request.POST, organization=organization)
    cloud_draft_keep(draft=row, values=form.typed(), way=CloudDraft.Way.MANUAL)
    action = request.POST.get("action")
    if action == "role":
        return redirect("clouds:aws_role", organization=organization.uuid, draft=row.uuid)
    if action == "keep":
        if request.htmx:
            return render(request, f"{PAGE}#guide", _context(row, form, is_edited=True))
        return redirect("clouds:aws_draft", organization=organization.uuid, draft=row.uuid)
    checks: list[Check] = []
    if form.is_valid() and action == "create":
        if is_validated(row, request.POST.get("validated", "")):
            if answer := _created(request, row):
                return answer
        else:
            form.add_error(None, "Click VALIDATE first: these values have not been checked.")
    elif form.is_valid():
        checks = cloud_draft_validate(draft=row)
    return _manual_answer(request, row, form, checks)


def _manual_answer(
    request: HtmxOrgRequest, draft: CloudDraft, form: AwsManualForm, checks: list[Check]
) -> HttpResponse:
    is_green = bool(checks) and all(line.ok for line in checks)
    mark = validated_mark(draft) if is_green else ""
    context = _context(draft, form, checks=checks, is_green=is_green, validated=mark)
    name = f"{PAGE}#manual-form" if request.htmx else PAGE
    return render(request, name, context, status=422 if form.errors else 200)


@organization_view("cloud_configuration.create")
@require_http_methods(["GET", "POST"])
@sensitive_post_parameters(*SECRET_FIELDS)
@sensitive_variables("form")
def aws_role_page(request: HtmxOrgRequest, organization: Organization, draft: str) -> HttpResponse:
    """Create Role For Me (F050 to F058): a page, or with HTMX a panel beside the form."""
    row = _draft(organization, draft)
    form = RoleKeysForm(request.POST or None)
    problem = arn = ""
    if request.method == "POST" and form.is_valid():
        try:
            arn = cloud_draft_create_role(draft=row, keys=form.keys())
        except CloudError as error:
            problem = error.message
    template = "workspaces/cloud_draft_role.html"
    return render(
        request,
        f"{template}#role-panel" if request.htmx else template,
        {
            "organization": organization,
            "draft": row,
            "role_form": form,
            "role_arn": arn,
            "problem": problem,
            "is_ready": all(row.values.get(name) for name in ("bucket", "table", "region")),
        },
        status=422 if problem or form.errors else 200,
    )


@organization_view("cloud_configuration.create")
@require_GET
def aws_policy_file(
    request: HtmxOrgRequest, organization: Organization, draft: str
) -> HttpResponse:
    return policy_download(draft_cloud(_draft(organization, draft)).user_policy())


def policy_download(text: str) -> HttpResponse:
    name = f'attachment; filename="{POLICY_NAME}.json"'
    return HttpResponse(
        text, content_type="application/json", headers={"Content-Disposition": name}
    )


@organization_view("cloud_configuration.create")
@require_POST
def aws_draft_discard_action(
    request: HtmxOrgRequest, organization: Organization, draft: str
) -> HttpResponse:
    cloud_draft_discard(draft=_draft(organization, draft))
    messages.success(request, "The unfinished cloud configuration was discarded.")
    return redirect("clouds:list", organization=organization.uuid)
