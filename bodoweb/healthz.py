"""``/healthz``: can this installation serve, and does its work get done?

200 as soon as pages can be served: the database answers and has the newest tables. Late workers
or a missing controller make it "degraded", still with 200: taking the pages away helps nobody.
"""

from __future__ import annotations

from datetime import datetime

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from bodoweb.preparation import is_migrated
from workspaces.models import ControllerLease, Heartbeat
from workspaces.operations import controller
from workspaces.permissions import public_view

WORKERS_LATE_SECONDS = 30
CONTROLLER_LATE_SECONDS = 15

_known = {"is_migrated": False}  # once true in a process it stays true


@public_view
@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    try:
        report = _report(timezone.now())
    except (DatabaseError, InterfaceError):
        return JsonResponse({"status": "down", "database": "down"}, status=503)
    return JsonResponse(report, status=503 if report["status"] == "down" else 200)


def _report(now: datetime) -> dict[str, object]:
    if not _is_migrated():
        return {"status": "down", "database": "ok", "migrations": "missing"}
    workers = _age(now, _workers_seen_at())
    leader = _age(now, _controller_seen_at())
    are_workers_ok = workers is not None and workers <= WORKERS_LATE_SECONDS
    is_controller_ok = leader is not None and leader <= CONTROLLER_LATE_SECONDS
    return {
        "status": "ok" if are_workers_ok and is_controller_ok else "degraded",
        "database": "ok",
        "migrations": "ok",
        "workers": "ok" if are_workers_ok else "late",
        "workers_seen_seconds_ago": workers,
        "controller": "ok" if is_controller_ok else "late",
        "controller_seen_seconds_ago": leader,
    }


def _is_migrated() -> bool:
    _known["is_migrated"] = _known["is_migrated"] or is_migrated()
    return _known["is_migrated"]


def _workers_seen_at() -> datetime | None:
    return Heartbeat.objects.filter(name=Heartbeat.WORKERS).values_list("at", flat=True).first()


def _controller_seen_at() -> datetime | None:
    rows = ControllerLease.objects.filter(name=controller.NAME)
    expires_at = rows.values_list("expires_at", flat=True).first()
    return expires_at - controller.LEASE if expires_at else None


def _age(now: datetime, seen_at: datetime | None) -> float | None:
    return None if seen_at is None else round(max((now - seen_at).total_seconds(), 0.0), 1)
