"""The filters of a timeline: they come in the address, so a filtered page can be passed on."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

from django import forms
from django.db.models import QuerySet

from accounts.models import User
from workspaces.models import TimelineEntry
from workspaces.sentences import action_in_past

NOBODY = "platform"


class TimelineFilterForm(forms.Form):
    actor = forms.ChoiceField(label="Who", required=False)
    action = forms.ChoiceField(label="Did what", required=False)
    q = forms.CharField(
        label="Name", required=False, max_length=120, widget=forms.TextInput({"type": "search"})
    )
    since = forms.DateField(
        label="From", required=False, widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d")
    )
    until = forms.DateField(
        label="To", required=False, widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d")
    )
    target = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, entries: QuerySet[TimelineEntry], **kwargs: Any) -> None:  # noqa: ANN401 - Django's signature
        """``entries``: all that the asker may see; the choices are those that occur in them."""
        super().__init__(*args, **kwargs)
        people = User.objects.filter(pk__in=entries.order_by().values("actor"))
        actor, action = self.fields["actor"], self.fields["action"]
        assert isinstance(actor, forms.ChoiceField)  # noqa: S101 - for the type checker
        assert isinstance(action, forms.ChoiceField)  # noqa: S101 - for the type checker
        actor.choices = [
            ("", "Anybody"),
            *((str(p.uuid), p.get_full_name() or p.email) for p in people.order_by("email")),
            (NOBODY, "The platform"),
        ]
        done = entries.order_by("action").values_list("action", flat=True).distinct()
        action.choices = [("", "Anything"), *((name, action_in_past(name)) for name in done)]

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        since, until = cleaned.get("since"), cleaned.get("until")
        if since and until and since > until:
            self.add_error("until", "This is before the first day.")
        return cleaned

    def chosen(self, entries: QuerySet[TimelineEntry]) -> QuerySet[TimelineEntry]:
        """Those the valid form asks for; both days count whole, in UTC."""
        asked = self.cleaned_data
        if asked["actor"] == NOBODY:
            entries = entries.filter(actor=None)
        elif asked["actor"]:
            entries = entries.filter(actor__uuid=asked["actor"])
        if asked["action"]:
            entries = entries.filter(action=asked["action"])
        if asked["q"]:
            entries = entries.filter(target_name__icontains=asked["q"])
        if asked["since"]:
            entries = entries.filter(at__gte=datetime.combine(asked["since"], time(), UTC))
        if asked["until"]:
            after = datetime.combine(asked["until"], time(), UTC) + timedelta(days=1)
            entries = entries.filter(at__lt=after)
        if asked["target"]:
            entries = entries.filter(target_uuid=asked["target"])
        return entries

    def is_narrowed(self) -> bool:
        return any(self.data.get(name) for name in ("actor", "action", "q", "since", "until"))
