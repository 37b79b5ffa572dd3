"""Phases of an instance: pending, running, stopping, stopped, shutting-down, terminated, gone.

In plain moto every instance is at once where it should go, can be started when it is terminated,
keeps its interfaces for ever, and is listed for ever. Not proved: how long AWS takes, and that an
instance may fall from pending to terminated by itself.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from moto.ec2.models.instances import Instance, InstanceState
from moto.ec2.responses import EC2Response

from tests.clouds.aws import nodes
from tests.clouds.aws.moto_hooks import Asked, Proceed, Refusal, around
from tests.clouds.aws.world import world

CODES = {"pending": 0, "running": 16, "shutting-down": 32, "stopping": 64}
_moto_stop, _moto_terminate = Instance.stop, Instance.terminate


def pass_through(instance: Any, phase: str, seconds: float, then: Callable[[], None]) -> None:
    """Be in ``phase`` for so long, then do the rest, unless another phase began meanwhile."""
    instance._state = begun = InstanceState(phase, CODES[phase])

    def end() -> None:
        if instance._state is begun:
            then()

    world.timeline.after(seconds, end)


def _run(instance: Any) -> None:
    instance._state = InstanceState("running", CODES["running"])


@around(EC2Response, "run_instances", asked=Asked.FOR_PHASE)
def begin_pending(_request: Any, proceed: Proceed) -> Any:
    answer = proceed()
    for instance in answer.result.instances:
        pass_through(
            instance,
            "pending",
            world.settings.pending_seconds,
            lambda instance=instance: _run(instance),  # type: ignore[misc]
        )
    return answer


@around(EC2Response, "start_instances", asked=Asked.BEFORE_ALL)
def only_stopped_start(request: Any, proceed: Proceed) -> Any:
    _require(request, "started", ("stopped", "running", "pending"))
    return proceed()


@around(EC2Response, "stop_instances")
def only_running_stop(request: Any, proceed: Proceed) -> Any:
    _require(request, "stopped", ("running", "stopping", "stopped"))
    for instance in _asked_for(request):
        if instance.lifecycle == "spot":
            raise Refusal(
                "UnsupportedOperation",
                f"You can't stop the Spot Instance '{instance.id}' because it is associated "
                "with a one-time Spot Instance request.",
            )
    return proceed()


@around(EC2Response, "reboot_instances")
def only_running_reboot(request: Any, proceed: Proceed) -> Any:
    _require(request, "rebooted", ("running",))
    return proceed()


def _asked_for(request: Any) -> list[Any]:
    ids = request._get_param("InstanceIds", [])
    return list(request.ec2_backend.get_multi_instances_by_id(ids))


def _require(request: Any, verb: str, states: tuple[str, ...]) -> None:
    for instance in _asked_for(request):
        if instance.state not in states:
            raise Refusal(
                "IncorrectInstanceState",
                f"The instance '{instance.id}' is not in a state from which it can be {verb}.",
            )


def start(instance: Any) -> InstanceState:
    before = copy.copy(instance._state)
    if before.name == "stopped":
        for nic in instance.nics.values():
            nic.start()
        pass_through(instance, "pending", world.settings.pending_seconds, lambda: _run(instance))
        nodes.started(instance)
    return before


def stop(instance: Any) -> InstanceState:
    before = copy.copy(instance._state)
    if before.name == "running":
        nodes.stopped(instance)
        pass_through(
            instance,
            "stopping",
            world.settings.stopping_seconds,
            lambda: void(_moto_stop(instance)),
        )
    return before


def terminate(instance: Any) -> InstanceState:
    before = copy.copy(instance._state)
    if before.name not in ("shutting-down", "terminated"):
        nodes.terminated(instance)
        pass_through(
            instance,
            "shutting-down",
            world.settings.shutting_down_seconds,
            lambda: _end(instance),
        )
    return before


def void(_answer: object) -> None:
    """Drop what moto answers; the phase is all that counts."""


def _end(instance: Any) -> None:
    _moto_terminate(instance)
    for nic in instance.nics.values():
        if nic.id in instance.ec2_backend.enis:
            nic.instance = nic.attachment_id = nic.attach_time = None
            nic.status = "available"
    world.timeline.after(world.settings.terminated_seconds, lambda: _forget(instance))


def _forget(instance: Any) -> None:
    instance._private_ips.clear()  # moto would release them, though others may have them by now
    reservations = instance.ec2_backend.reservations
    for number, reservation in list(reservations.items()):
        if instance in reservation.instances:
            # A copy: an answer kept for a client token still names the instance.
            rest = copy.copy(reservation)
            rest.instances = [one for one in rest.instances if one is not instance]
            reservations[number] = rest
            if not rest.instances:
                del reservations[number]


def install() -> None:
    Instance.start, Instance.stop, Instance.terminate = start, stop, terminate  # type: ignore
