"""A demo organization to look around in: made once, found again by every later call."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from allauth.account.models import EmailAddress
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from accounts.services import user_activate, user_unlock
from bodoweb import running
from workspaces import services
from workspaces.models import CloudConfiguration, Operation, Organization, Workspace
from workspaces.operations import Actor
from workspaces.operations.runner import run_step

EMAIL = "demo@example.org"
NAME = "Demo"
READY_SECONDS = 120
SETTLED = (Workspace.Status.READY, Workspace.Status.FAILED, Workspace.Status.TERMINATED)


class NoDemo(Exception):  # noqa: N818 - an expected refusal
    """It can not be made here; the text says why."""


@dataclass(frozen=True)
class Demo:
    user: User
    password: str
    organization: Organization
    workspace: Workspace


def demo_ensure() -> Demo:
    """Raises NoDemo. Returns with the workspace READY; takes seconds, so call it from commands."""
    if "local" not in settings.PROVIDERS:
        raise NoDemo("The demo needs the Local cloud: set BODO_LOCAL_CLOUD=true.")
    with transaction.atomic():
        user, password = _user()
        organization = _organization(user)
        workspace = _workspace(organization, user)
    _deploy(workspace)
    return Demo(user, password, organization, workspace)


def _user() -> tuple[User, str]:
    user = User.objects.filter(email=EMAIL).first()
    if user is None:
        user = User.objects.create_user(EMAIL, first_name="Demo", last_name="User")
    now = timezone.now()
    EmailAddress.objects.update_or_create(
        user=user, email=EMAIL, defaults={"verified": True, "primary": True}
    )
    user_activate(user=user, now=now)
    user_unlock(user=user, now=now, by=user)
    password = _password_of(user)
    return user, password


def _password_of(user: User) -> str:
    """The one of the last call while it still opens the account, so that sessions stay."""
    path = Path(settings.DATA_DIR) / "demo_password"
    if path.exists() and user.check_password(known := path.read_text().strip()):
        return known
    password = secrets.token_urlsafe(15)
    path.touch(mode=0o600)
    path.write_text(password)
    user.set_password(password)
    user.save(update_fields=["password"])
    return password


def _organization(user: User) -> Organization:
    found = Organization.objects.filter(memberships__user=user).order_by("pk").first()
    if found:
        return found
    is_taken = Organization.objects.filter(name__iexact=NAME).exists()
    name = f"{NAME} {user.uuid.hex[:6]}" if is_taken else NAME
    return services.organization_create(name=name, owner=user)


def _workspace(organization: Organization, user: User) -> Workspace:
    """The first living one, or a new one on this machine."""
    actor = Actor(user)
    live = Workspace.objects.live().filter(organization=organization)
    found = live.exclude(status=Workspace.Status.TERMINATING).order_by("pk").first()
    if found is None:
        configuration = _configuration(organization, actor)
        found = services.workspace_create(
            uuid=uuid4(),
            organization=organization,
            name=NAME if not live.exists() else f"{NAME} {live.count() + 1}",
            cloud_configuration=configuration,
            region=services.cloud_of(configuration).regions()[0].name,
            actor=actor,
        )
    elif found.status == Workspace.Status.FAILED:
        services.workspace_retry(workspace=found, actor=actor)
    return found


def _configuration(organization: Organization, actor: Actor) -> CloudConfiguration:
    local = CloudConfiguration.Provider.LOCAL
    found = organization.cloud_configurations.filter(provider=local).first()
    return found or services.cloud_configuration_create(
        organization=organization, name="This machine", provider=local, actor=actor
    )


def _deploy(workspace: Workspace) -> None:
    """Wait for the workers of a running stack; without one carry out the steps here."""
    has_workers = running.find() is not None
    deadline = time.monotonic() + READY_SECONDS
    while workspace.status not in SETTLED:
        if time.monotonic() > deadline:
            raise NoDemo(f"The workspace is still {workspace.status} after {READY_SECONDS} s.")
        open_ones = Operation.objects.unsettled().for_target(workspace.uuid)
        if not has_workers and (operation := open_ones.first()):
            run_step(operation.pk)
        else:
            time.sleep(0.1)
        workspace.refresh_from_db(fields=["status", "status_reason"])
    if workspace.status != Workspace.Status.READY:
        raise NoDemo(f"The workspace is {workspace.status}: {workspace.status_reason}")
