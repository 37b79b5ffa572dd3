"""Wall-clock time in a zone, and the one instant that is meant by it.

Twice a year a zone's clocks jump: in spring some local times do not exist, which is refused; in
autumn some come twice, and the first one is meant.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from zoneinfo import ZoneInfo, available_timezones


class NoSuchTime(Exception):  # noqa: N818 - an expected refusal, with a sentence for the user
    pass


@cache
def zone_names() -> list[str]:
    """Every zone that has a place or is UTC; a link such as "Etc/GMT+3" only confuses."""
    return ["UTC", *sorted(name for name in available_timezones() if _is_a_place(name))]


def _is_a_place(name: str) -> bool:
    return "/" in name and not name.startswith(("Etc/", "SystemV/", "posix/", "right/"))


def instant_of(local: datetime, zone_name: str) -> datetime:
    """The UTC instant of a naive local time. Raises NoSuchTime for one that clocks jump over."""
    zone = ZoneInfo(zone_name)
    instant = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None, fold=0) != local:
        raise NoSuchTime(
            f"{local:%H:%M} on {day(local)} does not exist in {zone_name}: "
            "the clocks go forward then. Choose another time."
        )
    return instant


def comes_twice(instant: datetime, zone_name: str) -> bool:
    """The local time of this instant occurs twice, because the clocks go back."""
    local = instant.astimezone(ZoneInfo(zone_name))
    return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()


def local_words(instant: datetime, zone_name: str) -> str:
    """ "25 Oct 2026, 02:30 Europe/Berlin (UTC+02:00)"."""
    local = instant.astimezone(ZoneInfo(zone_name))
    offset = local.isoformat()[-6:]
    return f"{day(local)}, {local:%H:%M} {zone_name} (UTC{offset})"


def day(at: datetime) -> str:
    return f"{at.day} {at:%b %Y}"
