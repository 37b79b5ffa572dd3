"""EFS takes its time: creating, available, deleting.

In plain moto a file system and its mount targets are there at once and gone at once, so that code
which does not wait passes. Not proved: the minutes of AWS, and that anything can be mounted.
"""

from __future__ import annotations

import json
from typing import Any

from moto.efs.responses import EFSResponse

from tests.clouds.aws import nodes
from tests.clouds.aws.moto_hooks import Proceed, Refusal, around
from tests.clouds.aws.world import world


@around(EFSResponse, "create_file_system")
def creating_file_system(request: Any, proceed: Proceed) -> Any:
    answer = proceed()
    name = json.loads(answer[0])["FileSystemId"]
    return _creating(answer, request.efs_backend.file_systems_by_id[name])


@around(EFSResponse, "create_mount_target")
def creating_mount_target(request: Any, proceed: Proceed) -> Any:
    system = request.efs_backend.file_systems_by_id.get(request._get_param("FileSystemId"))
    if system and system.life_cycle_state != "available":
        raise Refusal(
            "IncorrectFileSystemLifeCycleState",
            f"The file system is {system.life_cycle_state}.",
            ErrorCode="IncorrectFileSystemLifeCycleState",
        )
    answer = proceed()
    name = json.loads(answer[0])["MountTargetId"]
    return _creating(answer, request.efs_backend.mount_targets_by_id[name])


def _creating(answer: Any, thing: Any) -> Any:
    def ready() -> None:
        if thing.life_cycle_state == "creating":
            thing.life_cycle_state = "available"

    thing.life_cycle_state = "creating"
    world.timeline.after(world.settings.file_system_seconds, ready)
    body = json.dumps({**json.loads(answer[0]), "LifeCycleState": "creating"})
    return (body, *answer[1:])


@around(EFSResponse, "delete_mount_target")
def deleting_mount_target(request: Any, proceed: Proceed) -> Any:
    backend, name = request.efs_backend, request._get_param("MountTargetId")
    target = backend.mount_targets_by_id.get(name)
    if target is None or not world.settings.file_system_seconds:
        return proceed()

    def gone() -> None:
        if name in backend.mount_targets_by_id:
            backend.delete_mount_target(name)

    target.life_cycle_state = "deleting"
    world.timeline.after(world.settings.file_system_seconds, gone)
    return None, {"status": 204, "Content-Type": "application/json"}


@around(EFSResponse, "delete_file_system")
def contents_go_too(request: Any, proceed: Proceed) -> Any:
    answer = proceed()
    nodes.remove_file_system(request._get_param("FileSystemId"))
    return answer
