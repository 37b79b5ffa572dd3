"""Who holds a step: one process, named so that its death can be proved on its own machine."""

from __future__ import annotations

import os
import socket
from datetime import datetime
from functools import cache
from pathlib import Path

import psutil

from workspaces.models import Operation


@cache
def _machine() -> str:
    boot_id = Path("/proc/sys/kernel/random/boot_id")
    boot = boot_id.read_text(encoding="ascii").strip() if boot_id.exists() else ""
    return f"{socket.gethostname()}/{boot or int(psutil.boot_time())}"


def process_name() -> str:
    """``host/boot id/pid/start time`` of this process. Not cached: workers fork."""
    pid = os.getpid()
    return f"{_machine()}/{pid}/{psutil.Process(pid).create_time():.2f}"


def is_dead(owner: str) -> bool:
    """True only when the owner ran on this machine and is certainly gone."""
    machine, _, process = owner.rpartition("/")
    machine, _, pid = machine.rpartition("/")
    host, _, boot = machine.partition("/")
    here, _, boot_now = _machine().partition("/")
    if host != here:
        return False
    if boot != boot_now:
        return True
    try:
        alive = psutil.Process(int(pid))
        return f"{alive.create_time():.2f}" != process or alive.status() == psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, ValueError):
        return True


def release_dead_leases(now: datetime) -> int:
    """Free the steps of workers that died on this machine; nobody waits for their lease then."""
    held = Operation.objects.filter(lease_expires_at__gt=now).values_list("pk", "lease_owner")
    dead = [pk for pk, owner in held if is_dead(owner)]
    freed: int = Operation.objects.filter(pk__in=dead, lease_expires_at__gt=now).update(
        lease_expires_at=None, lease_owner="", next_step_at=now, hinted_at=None
    )
    return freed
