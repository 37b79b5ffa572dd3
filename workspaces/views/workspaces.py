from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from workspaces.forms import WorkspaceForm
from workspaces.models import Operation, Organization, Workspace
from workspaces.models.operations import latest_operation_columns
from workspaces.operations import Actor, OperationConflict
from workspaces.permissions import (
    HtmxOrgRequest,
    organization_view,
    role_may,
    workspace_view,
)
from workspaces.services import (
    WorkspaceInUse,
    WorkspaceRefused,
    cloud_of,
    workspace_create,
    workspace_remove,
    workspace_retry,
)
from workspaces.views.notebooks import my_notebook_context


@organization_view("workspace.list")
@require_GET
def workspace_list(request: HtmxOrgRequest, organization: Organization) -> HttpResponse:
    workspaces = Workspace.objects.live().visible_to(request.user)
    return render(
        request,
        "workspaces/workspace_list.html",
        {
            "organization": organization,
            "workspaces": workspaces.filter(organization=organization).annotate(
                **latest_operation_columns()
            ),
            "may_create": role_may(request.role, "workspace.create"),
            "may_link_cloud": role_may(request.role, "cloud_configuration.create"),
            "has_cloud": organization.cloud_configurations.exists(),
        },
    )


@organization_view("workspace.create")
def workspace_create_page(request: HtmxOrgRequest, organization: Organization) -> HttpResponse:
    form = WorkspaceForm(request.POST or None, organization=organization)
    if request.method == "POST" and form.is_valid():
        try:
            workspace = workspace_create(
                organization=organization, actor=Actor(request.user), **form.cleaned_data
            )
        except WorkspaceRefused as error:
            form.add_error("name", str(error))
        else:
            messages.success(request, f"Now deploying workspace {workspace.name}")
            return redirect("workspaces:list", organization=organization.uuid)
    return render(
        request,
        "workspaces/workspace_form.html",
        {"organization": organization, "form": form},
        status=422 if form.is_bound else 200,
    )


@workspace_view("workspace.view")
@require_GET
def workspace_row(request: HtmxOrgRequest, workspace: Workspace) -> HttpResponse:
    row = Workspace.objects.filter(pk=workspace.pk).annotate(**latest_operation_columns()).first()
    return render(request, "workspaces/workspace_list.html#workspace-row", {"workspace": row})


@workspace_view("workspace.view")
@require_GET
def workspace_detail(request: HtmxOrgRequest, workspace: Workspace) -> HttpResponse:
    return render(request, "workspaces/workspace_detail.html", _detail(request, workspace))


@workspace_view("workspace.view")
@require_GET
def workspace_panel(request: HtmxOrgRequest, workspace: Workspace) -> HttpResponse:
    template = "workspaces/workspace_detail.html#workspace-panel"
    return render(request, template, _detail(request, workspace))


def _detail(request: HtmxOrgRequest, workspace: Workspace) -> dict[str, object]:
    return {
        "workspace": workspace,
        "operations": Operation.objects.for_target(workspace.uuid).prefetch_related("events"),
        "resources": workspace.cloud_resources.open().filter(owner_uuid=workspace.uuid),
        "notices": cloud_of(workspace.cloud_configuration).notices(),
        "my": my_notebook_context(request, workspace),
        "may_remove": role_may(request.role, "workspace.remove"),
        "may_retry": role_may(request.role, "workspace.retry"),
    }


@workspace_view("workspace.retry")
@require_POST
def workspace_retry_action(request: HtmxOrgRequest, workspace: Workspace) -> HttpResponse:
    try:
        workspace_retry(workspace=workspace, actor=Actor(request.user))
    except (WorkspaceRefused, OperationConflict) as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"Now deploying workspace {workspace.name} again")
    return redirect("workspaces:detail", workspace=workspace.uuid)


@workspace_view("workspace.remove")
@require_POST
def workspace_remove_action(request: HtmxOrgRequest, workspace: Workspace) -> HttpResponse:
    try:
        workspace_remove(workspace=workspace, actor=Actor(request.user))
    except WorkspaceInUse as error:
        messages.error(request, str(error))
        return redirect("workspaces:detail", workspace=workspace.uuid)
    messages.success(request, f"Now removing workspace {workspace.name}")
    return redirect("workspaces:list", organization=workspace.organization.uuid)
