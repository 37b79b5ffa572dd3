"""The few template tags of our own; loaded everywhere, see TEMPLATES in the settings."""

from __future__ import annotations

import logging
from functools import lru_cache

from django import template
from django.conf import settings
from django.forms.boundfield import BoundField, BoundWidget
from django.utils.safestring import SafeString, mark_safe

logger = logging.getLogger(__name__)
register = template.Library()

_WAITING = ("NEW", "PENDING")
_MOVING = (
    "INPROGRESS",
    "INITIALIZING",
    "READINESSPROBE",
    "PAUSING",
    "RESUMING",
    "STOPPING",
    "TERMINATING",
    "CANCELLING",
)
_GOOD = ("FINISHED", "READY", "ACTIVE", "SUCCEEDED", "RUNNING")
_BAD = ("FAILED", "TIMEOUT")
STATUS_COLORS = (
    dict.fromkeys(_WAITING, "blue")
    | dict.fromkeys(_MOVING, "yellow")
    | dict.fromkeys(_GOOD, "green")
    | dict.fromkeys(_BAD, "red")
)


@lru_cache(maxsize=256)
def _icon_svg(name: str) -> SafeString:
    """An outline icon of Tabler's; empty when the front-end packages are not installed."""
    path = settings.NODE_MODULES / "@tabler" / "icons" / "icons" / "outline" / f"{name}.svg"
    try:
        svg = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        logger.warning("icon %s is missing; run the set-up of the front-end packages", name)
        return SafeString("")
    # The rest of the file is Tabler's own text, read from our pinned package.
    return mark_safe(  # noqa: S308 - no user's value is in it
        '<svg class="icon" aria-hidden="true" focusable="false" ' + svg.split("<svg", 1)[1]
    )


@register.simple_tag
def icon(name: str) -> SafeString:
    """``{% icon "server" %}``: decoration only, so give the element beside it a text."""
    return _icon_svg(name)


@register.filter
def status_color(status: str) -> str:
    """Grey for whatever ended without being a success: CANCELLED, TERMINATED, PAUSED."""
    return STATUS_COLORS.get(str(status), "gray")


@register.filter
def is_moving(status: str) -> bool:
    return str(status) in _WAITING + _MOVING


@register.filter
def with_class(field: BoundField | BoundWidget, css: str) -> SafeString:
    """Draw a field, or one choice of it, with CSS classes; the first field in error gets focus."""
    if isinstance(field, BoundWidget):
        field.data["attrs"]["class"] = css
        return field.tag()
    attrs: dict[str, str | bool] = {"class": css}
    if own := field.field.widget.attrs.get("class"):
        attrs["class"] = f"{css} {own}"
    if field.errors:
        attrs["class"] = f"{attrs['class']} is-invalid"
        attrs["autofocus"] = next(iter(field.form.errors)) == field.name
    return field.as_widget(attrs=attrs)
