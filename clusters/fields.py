"""Form fields of clusters: durations that may be Never, tags, SSH public keys."""

from __future__ import annotations

import re
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_ssh_public_key
from django import forms

UNITS = {"minutes": 1, "hours": 60, "days": 24 * 60}
NEVER = "never"
MAX_MINUTES = 366 * 24 * 60
MAX_TAGS = 50
TAG_KEY = re.compile(r"[\w.:/+@-]{1,128}")


class TagsField(forms.CharField):
    """One ``key=value`` a line; cleans to a dict."""

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - Django's signature
        super().__init__(
            required=False,
            widget=forms.Textarea(attrs={"rows": 2, "placeholder": "team=research"}),
            help_text="One key=value a line.",
            **kwargs,
        )

    def prepare_value(self, value: Any) -> Any:  # noqa: ANN401 - Django's signature
        if isinstance(value, dict):
            return "\n".join(f"{key}={text}" for key, text in value.items())
        return value

    def clean(self, value: Any) -> dict[str, str]:  # noqa: ANN401 - Django's signature
        tags: dict[str, str] = {}
        for line in filter(None, map(str.strip, super().clean(value).splitlines())):
            key, is_pair, text = (part.strip() for part in line.partition("="))
            if not is_pair or not TAG_KEY.fullmatch(key):
                raise forms.ValidationError(f"{line[:60]!r} is not a key=value.")
            if key in tags:
                raise forms.ValidationError(f"The key {key} is there twice.")
            tags[key] = text[:256]
        if len(tags) > MAX_TAGS:
            raise forms.ValidationError(f"A cluster has at most {MAX_TAGS} tags.")
        return tags


class SshPublicKeyField(forms.CharField):
    """One OpenSSH public key, or nothing (F110)."""

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - Django's signature
        super().__init__(
            required=False,
            widget=forms.Textarea(
                attrs={"rows": 3, "placeholder": "Put your SSH public key here…"}
            ),
            **kwargs,
        )

    def clean(self, value: Any) -> str:  # noqa: ANN401 - Django's signature
        text: str = " ".join(super().clean(value).split())
        if "PRIVATE KEY" in text:
            raise forms.ValidationError(
                "This is a private key. Keep it secret and put in the one that ends in .pub."
            )
        if text:
            try:
                load_ssh_public_key(text.encode())
            except (ValueError, UnsupportedAlgorithm) as error:
                raise forms.ValidationError(
                    "This is not an OpenSSH public key, such as ssh-ed25519 AAAA… you@host."
                ) from error
        return text


class IdleTimersMixin(forms.Form):
    """Three timers as number and unit, in order (K3, V24)."""

    auto_pause = forms.IntegerField(
        label="Cluster auto pause",
        required=False,
        min_value=1,
        initial=60,
        help_text="After this time of inactivity the platform pauses the cluster: machines "
        "stopped, disks kept.",
    )
    auto_pause_unit = forms.ChoiceField(required=False, initial="minutes")
    auto_stop = forms.IntegerField(
        label="Auto stop",
        required=False,
        min_value=1,
        help_text="After this time of inactivity its machines go and its definition stays.",
    )
    auto_stop_unit = forms.ChoiceField(required=False, initial=NEVER)
    auto_shutdown = forms.IntegerField(
        label="Cluster auto shutdown",
        required=False,
        min_value=1,
        help_text="After this time of inactivity the cluster is removed. Activity is determined "
        "through attached notebooks and jobs: if you use it via ssh instead, set this to Never, "
        "since otherwise the cluster will be removed after the set time.",
    )
    auto_shutdown_unit = forms.ChoiceField(required=False, initial=NEVER)

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Django's signature
        super().__init__(*args, **kwargs)
        for name in ("auto_pause", "auto_stop", "auto_shutdown"):
            unit = self.fields[f"{name}_unit"]
            assert isinstance(unit, forms.ChoiceField)  # noqa: S101 - for the type checker
            unit.choices = [(key, key.capitalize()) for key in (*UNITS, NEVER)]
            unit.label = f"Unit of {self.fields[name].label}"

    def timer_minutes(self) -> dict[str, int | None]:
        """Each timer in minutes, None for Never; adds the errors of their order."""
        minutes = {n: self._minutes(n) for n in ("auto_pause", "auto_stop", "auto_shutdown")}
        latest, latest_name = 0, ""
        for name, value in minutes.items():
            if value is None:
                continue
            if value < latest:
                label = self.fields[latest_name].label
                self.add_error(name, f"It must not come before {label}.")
            latest, latest_name = value, name
        return minutes

    def _minutes(self, name: str) -> int | None:
        number, unit = self.cleaned_data.get(name), self.cleaned_data.get(f"{name}_unit")
        if unit not in UNITS or name in self.errors:
            return None
        if number is None:
            self.add_error(name, "Enter a number, or choose Never.")
            return None
        minutes = number * UNITS[unit]
        if minutes > MAX_MINUTES:
            self.add_error(name, "A year is the longest; choose Never instead.")
            return None
        return int(minutes)


def timer_initial(name: str, minutes: int | None) -> dict[str, Any]:
    """The two fields of a timer as they are now, in the largest unit that fits."""
    if minutes is None:
        return {name: None, f"{name}_unit": NEVER}
    unit = next(unit for unit, size in reversed(UNITS.items()) if minutes % size == 0)
    return {name: minutes // UNITS[unit], f"{name}_unit": unit}
