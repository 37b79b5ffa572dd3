"""The list of clusters: tabs, search, filters, order and pages (V25), from the query string."""

from __future__ import annotations

from datetime import UTC, datetime, time
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.core.paginator import Page, Paginator
from django.db.models import Q

from clusters.models import Cluster, ClusterQuerySet

ORDERS = {
    "-created_at": "Newest first",
    "created_at": "Oldest first",
    "name": "Name",
    "state": "Status",
}
SIZES = (10, 25, 50, 100)
TABS = [("all", "All Clusters"), ("jobs", "Job Clusters")]


class ClusterFilter(forms.Form):
    """Every field may be missing; a bad value is dropped and named, the rest still applies."""

    tab = forms.ChoiceField(choices=TABS, required=False, widget=forms.HiddenInput)
    q = forms.CharField(
        label="Search",
        required=False,
        max_length=120,
        widget=forms.TextInput(attrs={"placeholder": "Name, UUID or key=value"}),
    )
    status = forms.ChoiceField(
        label="Filter by Status",
        required=False,
        choices=[("", "All but TERMINATED"), *Cluster.State.choices],
    )
    created_from = forms.DateField(
        label="Created On", required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    created_to = forms.DateField(
        label="until", required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    sort = forms.ChoiceField(label="SORT", required=False, choices=list(ORDERS.items()))
    size = forms.TypedChoiceField(
        label="Page size", required=False, coerce=int, choices=[(n, str(n)) for n in SIZES]
    )
    page = forms.IntegerField(required=False, min_value=1, widget=forms.HiddenInput)

    def clusters(self, rows: ClusterQuerySet) -> Page[Cluster]:
        self.is_valid()
        chosen = self.cleaned_data
        rows = rows.filter(self._conditions())
        rows = rows.order_by(chosen.get("sort") or "-created_at", "-pk").with_latest_operation()
        paginator = Paginator(rows, chosen.get("size") or SIZES[0])
        return paginator.get_page(chosen.get("page") or 1)

    def _conditions(self) -> Q:
        chosen = self.cleaned_data
        status = chosen.get("status")
        found = Q(state=status) if status else ~Q(state=Cluster.State.TERMINATED)
        if chosen.get("tab") == "jobs":
            found &= Q(is_dedicated=True)
        if text := chosen.get("q"):
            found &= _matching(text)
        if day := chosen.get("created_from"):
            found &= Q(created_at__gte=datetime.combine(day, time.min, UTC))
        if day := chosen.get("created_to"):
            found &= Q(created_at__lte=datetime.combine(day, time.max, UTC))
        return found

    @property
    def is_narrowed(self) -> bool:
        chosen = self.cleaned_data
        return any(chosen.get(n) for n in ("q", "status", "created_from", "created_to"))

    def tabs(self) -> list[tuple[str, str, bool]]:
        """(query string, label, whether it is the one shown)."""
        current = self.cleaned_data.get("tab") or "all"
        return [(self.query(tab=key), label, key == current) for key, label in TABS]

    def query(self, **changes: object) -> str:
        """The query string of this list with something changed, for links."""
        kept = {name: self.data.get(name, "") for name in self.fields if name != "page"}
        merged = {**kept, **changes}
        return urlencode({name: value for name, value in merged.items() if value})


def _matching(text: str) -> Q:
    """A UUID exactly, ``key=value`` as a tag, anything else as part of the name."""
    if is_uuid(text):
        return Q(uuid=text)
    key, is_tag, value = text.partition("=")
    if is_tag and key.isidentifier():
        return Q(**{f"tags__{key}": value})
    return Q(name__icontains=text)


def is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
