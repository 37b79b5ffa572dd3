"""The job form: 1 General, 2 Workspace, 3 Other (V15)."""

from __future__ import annotations

import re
import shlex
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from django import forms
from django.utils import timezone

from clusters.forms import MachineFields
from clusters.models import Cluster
from jobs.models import Job

VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# They steer the launcher of the cluster itself; a job's own value would break or escape it.
RESERVED_PREFIXES = ("LD_", "HYDRA_", "PMI", "MPIR_CVAR_", "BODO_RUN", "BODO_CLUSTER")


class JobForm(MachineFields):
    uuid = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4)
    name = forms.CharField(label="Job name", max_length=80)
    cluster = forms.ModelChoiceField(
        label="Cluster",
        queryset=Cluster.objects.none(),
        required=False,
        empty_label="Select a cluster…",
        help_text="Clusters that no notebook and no other job uses now.",
    )
    is_new_cluster = forms.BooleanField(label="NEW", required=False)
    command = forms.CharField(
        label="Command",
        max_length=4000,
        help_text="This command is automatically prepended with mpiexec -n <CORE_COUNT> python. "
        "Example: ex.py 1",
    )
    source_url = forms.CharField(
        label="Path",
        max_length=500,
        help_text="The Git URL of the repository with your code, as your browser shows it: "
        "it should not end in .git.",
    )
    timeout_minutes = forms.IntegerField(
        label="Timeout", min_value=1, max_value=60 * 24 * 30, initial=60, help_text="Minutes."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Django's signature
        super().__init__(*args, **kwargs)
        field = self.fields["cluster"]
        assert isinstance(field, forms.ModelChoiceField)  # noqa: S101 - for the type checker
        field.queryset = Cluster.objects.free(timezone.now()).filter(workspace=self.workspace)
        self.notices: list[str] = []
        if self.is_bound:
            for name in ("instance_type", "node_count", "bodo_version"):
                self.fields[name].required = bool(self.data.get(self.add_prefix("is_new_cluster")))

    def clean_command(self) -> str:
        command: str = self.cleaned_data["command"]
        try:
            words = shlex.split(command)
        except ValueError as error:
            raise forms.ValidationError("A quote is opened and not closed.") from error
        if not words:
            raise forms.ValidationError("Enter a script and its arguments, such as ex.py 1.")
        if words[0] in {"python", "python3", "mpiexec", "mpirun"}:
            raise forms.ValidationError(
                f"Leave out {words[0]}: mpiexec -n <CORE_COUNT> python comes before it by itself."
            )
        return command

    def clean_source_url(self) -> str:
        url: str = self.cleaned_data["source_url"].strip().rstrip("/")
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise forms.ValidationError("Enter an address that begins with https:// or http://.")
        if parts.username or parts.password:
            raise forms.ValidationError("Leave user name and password out of the address.")
        if url.endswith(".git"):
            url = url.removesuffix(".git")
            self.notices.append(f"The path should not end in .git; {url} is used.")
        return url

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if earlier := self._earlier():
            self.errors.pop("cluster", None)  # its job may have taken it: it is not free any more
            cleaned["cluster"] = earlier.cluster
            return cleaned
        if cleaned.get("is_new_cluster"):
            cleaned["cluster"] = None
            self.clean_machines(cleaned)
        elif not cleaned.get("cluster") and "cluster" not in self.errors:
            self.add_error("cluster", "Select a cluster, or NEW to make one for this job.")
        return cleaned

    def is_repeated(self) -> bool:
        return self._earlier() is not None

    def _earlier(self) -> Job | None:
        uuid: UUID | None = self.cleaned_data.get("uuid")
        mine = Job.objects.filter(workspace=self.workspace).select_related("cluster")
        return mine.filter(uuid=uuid).first() if uuid else None


class VariableForm(forms.Form):
    key = forms.CharField(
        label="Key",
        required=False,
        max_length=200,
        widget=forms.TextInput({"placeholder": "Key", "aria-label": "Key"}),
    )
    value = forms.CharField(
        label="Value",
        required=False,
        max_length=32_000,
        strip=False,
        widget=forms.TextInput(
            {"placeholder": "Value", "aria-label": "Value", "autocomplete": "off"}
        ),
    )

    def clean_key(self) -> str:
        key: str = self.cleaned_data["key"]
        if key and not VARIABLE_NAME.fullmatch(key):
            raise forms.ValidationError("Letters, digits and _ only, not beginning with a digit.")
        if key.upper().startswith(RESERVED_PREFIXES):
            raise forms.ValidationError(f"{key} is set by the platform.")
        return key

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        if cleaned.get("value") and not cleaned.get("key") and "key" not in self.errors:
            self.add_error("key", "Name this value.")
        return cleaned


VariableFormSet = forms.formset_factory(VariableForm, extra=1, max_num=100, absolute_max=200)


def variables_of(formset: forms.BaseFormSet[VariableForm]) -> dict[str, str]:
    """The filled rows of a valid formset; a later one with the same key wins."""
    rows = [form.cleaned_data for form in formset if form.cleaned_data.get("key")]
    return {row["key"]: row["value"] for row in rows}
