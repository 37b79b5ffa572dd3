from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from workspaces.forms import CloudConfigurationForm
from workspaces.models import CloudConfiguration, Organization
from workspaces.operations import Actor
from workspaces.permissions import HtmxOrgRequest, organization_view
from workspaces.services import (
    CloudConfigurationInUse,
    cloud_configuration_create,
    cloud_configuration_remove,
    cloud_of,
)


@organization_view("cloud_configuration.view")
@require_GET
def cloud_configuration_list(request: HtmxOrgRequest, organization: Organization) -> HttpResponse:
    configurations = organization.cloud_configurations.all()
    return render(
        request,
        "workspaces/cloud_configuration_list.html",
        {"organization": organization, "configurations": configurations},
    )


@organization_view("cloud_configuration.view")
@require_GET
def cloud_configuration_detail(
    request: HtmxOrgRequest, organization: Organization, configuration: str
) -> HttpResponse:
    found = get_object_or_404(CloudConfiguration, organization=organization, uuid=configuration)
    return render(
        request,
        "workspaces/cloud_configuration_detail.html",
        {
            "organization": organization,
            "configuration": found,
            "checks": cloud_of(found).validate(),
            "workspaces": found.workspaces.live(),
        },
    )


@organization_view("cloud_configuration.create")
def cloud_configuration_create_page(
    request: HtmxOrgRequest, organization: Organization
) -> HttpResponse:
    form = CloudConfigurationForm(request.POST or None, organization=organization)
    if request.method == "POST" and form.is_valid():
        configuration = cloud_configuration_create(
            organization=organization, actor=Actor(request.user), **form.cleaned_data
        )
        messages.success(request, f"Cloud configuration {configuration.name} is ready to use.")
        return redirect("clouds:list", organization=organization.uuid)
    return render(
        request,
        "workspaces/cloud_configuration_form.html",
        {"organization": organization, "form": form},
        status=422 if form.is_bound else 200,
    )


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
