from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from bodoweb import healthz
from workspaces.models import ControllerLease, Heartbeat
from workspaces.operations import controller

pytestmark = pytest.mark.django_db


@pytest.fixture
def alive() -> None:
    now = timezone.now()
    Heartbeat.objects.create(name=Heartbeat.WORKERS, at=now)
    ControllerLease.objects.create(
        name=controller.NAME, owner="here", expires_at=now + controller.LEASE
    )


def test_all_is_well(client: Client, alive: None) -> None:
    answer = client.get("/healthz")

    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"
    assert answer.json()["workers_seen_seconds_ago"] < 5


def test_late_workers_degrade_and_pages_stay(client: Client, alive: None) -> None:
    Heartbeat.objects.update(at=timezone.now() - timedelta(minutes=5))

    answer = client.get("/healthz")

    assert answer.status_code == 200
    assert answer.json()["status"] == "degraded"
    assert answer.json()["workers"] == "late"
    assert answer.json()["controller"] == "ok"


def test_a_new_installation_has_seen_no_workers(client: Client) -> None:
    report = client.get("/healthz").json()

    assert report["status"] == "degraded"
    assert report["workers_seen_seconds_ago"] is None
    assert report["controller"] == "late"


def test_without_a_database_it_can_not_serve(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise OperationalError("connection to server at 10.0.0.7 failed: password is wrong")

    monkeypatch.setattr(healthz, "_workers_seen_at", fail)

    answer = client.get("/healthz")

    assert answer.status_code == 503
    assert answer.json() == {"status": "down", "database": "down"}


def test_missing_migrations_can_not_serve(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(healthz, "is_migrated", lambda: False)
    monkeypatch.setitem(healthz._known, "is_migrated", False)

    answer = client.get("/healthz")

    assert answer.status_code == 503
    assert answer.json()["migrations"] == "missing"


def test_it_answers_plain_http_behind_a_proxy(client: Client, alive: None, settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True

    assert client.get("/healthz").status_code == 200
    assert client.get("/").status_code == 301
