from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from workspaces.aws_forms import WayForm
from workspaces.forms import CloudConfigurationForm
from workspaces.models import CloudConfiguration, CloudDraft, Operation, Organization
from workspaces.operations import Actor, OperationConflict
from workspaces.permissions import HtmxOrgRequest, organization_view
from workspaces.services import (
    CloudConfigurationInUse,
    cloud_configuration_create,
    cloud_configuration_prepare,
    cloud_configuration_remove,
    cloud_draft_keep,
    cloud_draft_open,
    cloud_of,
    configuration_policy,
)
from workspaces.views.aws import policy_download

FORM = "workspaces/cloud_configuration_form.html"
DETAIL = "workspaces/cloud_configuration_detail.html"


@organization_view("cloud_configuration.view")
@require_GET
def cloud_configuration_list(request: HtmxOrgRequest, organization: Organization) -> HttpResponse:
    return render(
        request,
        "workspaces/cloud_configuration_list.html",
        {
            "organization": organization,
            "configurations": organization.cloud_configurations.all(),
            "drafts": organization.cloud_drafts.filter(
                author=request.user, provider__in=settings.PROVIDERS
            ),
        },
    )


@organization_view("cloud_configuration.view")
@require_GET
def cloud_configuration_detail(
    request: HtmxOrgRequest, organization: Organization, configuration: str
) -> HttpResponse:
    """The checklist of a remote provider takes seconds: it comes by itself, or by a click."""
    found = get_object_or_404(CloudConfiguration, organization=organization, uuid=configuration)
    is_remote = found.provider != CloudConfiguration.Provider.LOCAL
    return render(
        request,
        DETAIL,
        {
            "organization": organization,
            "configuration": found,
            "is_remote": is_remote,
            "checks": None if is_remote else cloud_of(found).validate(),
            "workspaces": found.workspaces.live(),
            **_share_status(found),
        },
    )


@organization_view("cloud_configuration.view")
@require_GET
def cloud_configuration_checks(
    request: HtmxOrgRequest, organization: Organization, configuration: str
) -> HttpResponse:
    """Validate, for a configuration that exists: alone with HTMX, else on its page."""
    found = get_object_or_404(CloudConfiguration, organization=organization, uuid=configuration)
    return render(
        request,
        f"{DETAIL}#check-list" if request.htmx else DETAIL,
        {
            "organization": organization,
            "configuration": found,
            "is_remote": True,
            "checks": cloud_of(found).validate(),
            "workspaces": found.workspaces.live(),
            **_share_status(found),
        },
    )


@organization_view("cloud_configuration.view")
@require_GET
def cloud_configuration_shares(
    request: HtmxOrgRequest, organization: Organization, configuration: str
) -> HttpResponse:
    """AMI Share Status, which asks for itself while images are being shared (F062)."""
    found = get_object_or_404(CloudConfiguration, organization=organization, uuid=configuration)
    context = {"organization": organization, "configuration": found, **_share_status(found)}
    return render(request, f"{DETAIL}#share-status", context)


def _share_status(configuration: CloudConfiguration) -> dict[str, object]:
    shares: dict[str, dict[str, str]] = configuration.settings.get("image_shares", {})
    operations = Operation.objects.for_target(configuration.uuid)
    return {
        "shares": [{"region": region, **row} for region, row in shares.items()],
        "preparing": operations.unsettled().first(),
    }


@organization_view("cloud_configuration.change")
@require_POST
def cloud_configuration_prepare_action(
    request: HtmxOrgRequest, organization: Organization, configuration: str
) -> HttpResponse:
    found = get_object_or_404(
        CloudConfiguration, organization=organization, uuid=configuration, provider="aws"
    )
    try:
        cloud_configuration_prepare(configuration=found, actor=Actor(request.user))
    except OperationConflict as error:
        messages.error(request, str(error))
    return redirect("clouds:detail", organization=organization.uuid, configuration=found.uuid)


@organization_view("cloud_configuration.view")
@require_GET
def cloud_configuration_policy(
    request: HtmxOrgRequest, organization: Organization, configuration: str
) -> HttpResponse:
    found = get_object_or_404(
        CloudConfiguration, organization=organization, uuid=configuration, provider="aws"
    )
    return policy_download(configuration_policy(found))


@organization_view("cloud_configuration.create")
def cloud_configuration_create_page(
    request: HtmxOrgRequest, organization: Organization
) -> HttpResponse:
    """AWS goes on at a draft's page, because its External ID is there before it (F071)."""
    asked = request.POST.get("provider") or request.GET.get("provider", "")
    provider = asked if asked in settings.PROVIDERS else ""
    if request.method == "POST" and provider == "aws":
        return _continue_with_draft(request, organization, provider)
    form = CloudConfigurationForm(
        request.POST or None, organization=organization, initial={"provider": provider}
    )
    if request.method == "POST" and form.is_valid():
        configuration = cloud_configuration_create(
            organization=organization, actor=Actor(request.user), **form.cleaned_data
        )
        messages.success(request, f"Cloud configuration {configuration.name} is ready to use.")
        return redirect("clouds:list", organization=organization.uuid)
    return render(
        request,
        f"{FORM}#provider-part" if request.htmx else FORM,
        {
            "organization": organization,
            "form": form,
            "way_form": WayForm(),
            "provider": form["provider"].value() or form.initial.get("provider"),
        },
        status=422 if form.is_bound else 200,
    )


def _continue_with_draft(
    request: HtmxOrgRequest, organization: Organization, provider: str
) -> HttpResponse:
    draft = cloud_draft_open(organization=organization, author=request.user, provider=provider)
    way = request.POST.get("way", "")
    if way in CloudDraft.Way.values:
        cloud_draft_keep(draft=draft, values={}, way=way)
    return redirect("clouds:aws_draft", organization=organization.uuid, draft=draft.uuid)


@organization_view("cloud_configuration.remove")
@require_POST
def cloud_configuration_remove_action(
    request: HtmxOrgRequest, organization: Organization, configuration: str
) -> HttpResponse:
    found = get_object_or_404(CloudConfiguration, organization=organization, uuid=configuration)
    try:
        cloud_configuration_remove(configuration=found, actor=Actor(request.user))
    except CloudConfigurationInUse as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"Cloud configuration {found.name} was removed.")
    return redirect("clouds:list", organization=organization.uuid)
