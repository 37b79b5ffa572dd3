from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from accounts.models import User
from bodoweb.demo import EMAIL
from tests.fake_cloud import FakeCloud
from workspaces.models import CloudConfiguration, Organization, Workspace

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_folder(settings: Any, tmp_path: Path, cloud: FakeCloud) -> None:
    settings.DATA_DIR = tmp_path


def demo() -> dict[str, str]:
    out = StringIO()
    call_command("demo", "--json", stdout=out)
    told: dict[str, str] = json.loads(out.getvalue().splitlines()[-1])
    return told


def test_the_demo_can_be_signed_in_to_and_is_ready(client: Client) -> None:
    told = demo()

    assert sorted(told) == ["email", "organization", "password", "url", "workspace"]
    assert client.login(email=told["email"], password=told["password"])
    assert Workspace.objects.get(uuid=told["workspace"]).status == "READY"
    assert Organization.objects.get().uuid.hex == told["organization"].replace("-", "")


def test_a_second_call_finds_the_first() -> None:
    assert demo() == demo()
    assert (User.objects.count(), Organization.objects.count()) == (1, 1)
    assert (CloudConfiguration.objects.count(), Workspace.objects.count()) == (1, 1)


def test_a_password_that_was_changed_is_set_anew() -> None:
    first = demo()
    user = User.objects.get(email=EMAIL)
    user.set_password("something else entirely")
    user.save(update_fields=["password"])

    second = demo()

    assert second["password"] != first["password"]
    user.refresh_from_db()
    assert user.check_password(second["password"])


def test_a_locked_demo_user_is_unlocked() -> None:
    demo()
    User.objects.update(locked_at=timezone.now())

    demo()

    assert not User.objects.get().is_locked


def test_a_name_that_is_taken_stays_with_its_owner() -> None:
    Organization.objects.create(name="DEMO")

    told = demo()

    assert Organization.objects.get(uuid=told["organization"]).name != "DEMO"


def test_without_the_local_cloud_it_is_refused(settings: Any) -> None:
    settings.PROVIDERS = []

    with pytest.raises(CommandError, match="BODO_LOCAL_CLOUD"):
        call_command("demo")
