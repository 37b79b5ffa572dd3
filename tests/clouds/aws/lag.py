"""Eventual consistency of EC2 and IAM, off by default (``lag_seconds``, ``iam_lag_seconds``).

While an object is younger than its lag, no describe shows it and its id is not found; a deleted
one is still listed as it was. The lag of each object is drawn with ``lag_seed``. Plain moto is
strictly consistent, so that code which looks right after a crash and finds nothing, and then
creates a second one, passes there. Not proved: how long AWS lags; changes of an object (tags,
states) are seen at once here.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from moto.ec2.models import ec2_backends
from moto.ec2.responses import EC2Response
from moto.iam.models import iam_backends
from moto.iam.responses import IamResponse

from tests.clouds.aws.moto_hooks import Proceed, Refusal, around
from tests.clouds.aws.world import world

SHELVES = (
    "enis",
    "internet_gateways",
    "nat_gateways",
    "reservations",
    "route_tables",
    "volumes",
    "vpc_end_points",
    "vpcs",
)
NESTED_SHELVES = ("groups", "subnets")


@dataclass
class _Item:
    """One object where moto keeps it: ``shelf[key]``."""

    shelf: Any
    key: Any
    thing: Any
    until: float = 0


@dataclass
class _View:
    """What a describe sees of one account and region."""

    known: dict[int, _Item] = field(default_factory=dict)
    young: dict[int, _Item] = field(default_factory=dict)
    ghosts: dict[int, _Item] = field(default_factory=dict)


_views: dict[tuple[str, str], _View] = {}
_dice: list[random.Random] = []
_made_at: dict[str, float] = {}  # ARN -> time of the timeline


@world.on_reset
def forget() -> None:
    _views.clear()
    _dice.clear()
    _made_at.clear()


def is_too_young(role_or_profile: Any) -> bool:
    """Whether IAM has not yet told the rest of AWS about it."""
    made_at = _made_at.get(role_or_profile.arn, float("-inf"))
    return made_at + world.settings.iam_lag_seconds > world.timeline.now()


@around(IamResponse, "create_role", "create_instance_profile")
def note_the_time(_request: Any, proceed: Proceed) -> Any:
    answer = proceed()
    for made in answer.result.values():
        _made_at[made.arn] = world.timeline.now()
    return answer


def profile_must_be_known(request: Any) -> None:
    """A profile that IAM made a moment ago is unknown to EC2; moto knows it at once."""
    asked = request._get_param("IamInstanceProfile") or {}
    for profile in iam_backends[request.current_account]["aws"].instance_profiles.values():
        named = asked.get("Name") == profile.name or asked.get("Arn") == profile.arn
        if named and is_too_young(profile):
            name = profile.name
            raise Refusal(
                "InvalidParameterValue",
                f"Value ({name}) for parameter iamInstanceProfile.name is invalid. Invalid IAM "
                "Instance Profile name",
            )


class _ListShelf:
    """moto keeps addresses in a list; this looks like the other shelves."""

    def __init__(self, things: list[Any]) -> None:
        self.things = things

    def get(self, key: str) -> Any:
        return next((one for one in self.things if one.allocation_id == key), None)

    def pop(self, key: str, _default: None = None) -> None:
        self.things[:] = [one for one in self.things if one.allocation_id != key]

    __delitem__ = pop

    def __setitem__(self, key: str, thing: Any) -> None:
        if self.get(key) is None:
            self.things.append(thing)

    setdefault = __setitem__


def _items(backend: Any) -> Iterator[_Item]:
    addresses = _ListShelf(backend.addresses)
    yield from (_Item(addresses, one.allocation_id, one) for one in backend.addresses)
    for name in SHELVES:
        shelf = getattr(backend, name)
        yield from (_Item(shelf, key, thing) for key, thing in shelf.items())
    for name in NESTED_SHELVES:
        for shelf in getattr(backend, name).values():
            yield from (_Item(shelf, key, thing) for key, thing in shelf.items())


def _draw() -> float:
    if not _dice:
        _dice.append(random.Random(world.settings.lag_seed))
    return world.timeline.now() + world.settings.lag_seconds * _dice[0].uniform(0.5, 1)


def _notice(view: _View, backend: Any) -> None:
    """Find what came and what went since the last call, and when that will be seen."""
    now = {id(item.thing): item for item in _items(backend)}
    for mark in now.keys() - view.known.keys():
        view.young[mark] = now[mark]
        now[mark].until = _draw()
    for mark in view.known.keys() - now.keys():
        if mark not in view.young:
            view.ghosts[mark] = view.known[mark]
            view.known[mark].until = _draw()
        view.young.pop(mark, None)
    view.known = now


def _call_action(original: Any) -> Any:
    def call_action(self: Any) -> Any:
        if not world.settings.lag_seconds:
            return original(self)
        backend = ec2_backends[self.current_account][self.region]
        view = _views.get((self.current_account, self.region))
        if view is None:
            view = _views[self.current_account, self.region] = _View()
            view.known = {id(item.thing): item for item in _items(backend)}
        if not self._get_action().startswith("Describe"):
            try:
                return original(self)
            finally:
                _notice(view, backend)
        _swap(view)
        try:
            return original(self)
        finally:
            _swap_back(view)

    return call_action


def _swap(view: _View) -> None:
    now = world.timeline.now()
    view.young = {mark: one for mark, one in view.young.items() if one.until > now}
    view.ghosts = {mark: one for mark, one in view.ghosts.items() if one.until > now}
    for one in view.young.values():
        one.shelf.pop(one.key, None)
    for one in view.ghosts.values():
        one.shelf.setdefault(one.key, one.thing)


def _swap_back(view: _View) -> None:
    for one in view.ghosts.values():
        if one.shelf.get(one.key) is one.thing:
            del one.shelf[one.key]
    for one in view.young.values():
        one.shelf[one.key] = one.thing


def install() -> None:
    EC2Response.call_action = _call_action(EC2Response.call_action)  # type: ignore
