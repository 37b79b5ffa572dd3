"""Create Notebook, and what a workspace's next My Notebook is like. Forms never save."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from django import forms
from django.conf import settings

from accounts.models import User
from workspaces.clouds.base import CloudError, InstanceType
from workspaces.guards import cluster_choices
from workspaces.models import Notebook, Workspace
from workspaces.services import cloud_of
from workspaces.services.notebooks import MY_NOTEBOOK

UNITS = {"minutes": 1, "hours": 60, "days": 24 * 60}
INSTALLATION, NEVER = "installation", "never"
MAX_MINUTES = 366 * 24 * 60


class InstanceTypeFields(forms.Form):
    """The types that the workspace's provider offers now."""

    instance_type = forms.ChoiceField(label="Instance type")

    def __init__(self, *args: Any, workspace: Workspace, **kwargs: Any) -> None:  # noqa: ANN401 - Django's signature
        super().__init__(*args, **kwargs)
        self.workspace = workspace
        self.cloud = cloud_of(workspace.cloud_configuration)
        self.provider_error = ""
        self.offered: list[InstanceType] = []
        try:
            self.offered = self.cloud.instance_types(workspace.region)
        except CloudError as error:  # F101: the list is empty, and this is why
            self.provider_error = error.message
        self.set_choices("instance_type", [(kind.name, _label(kind)) for kind in self.offered])

    def set_choices(self, name: str, choices: list[tuple[str, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101 - for the type checker
        field.choices = choices


def _label(kind: InstanceType) -> str:
    """The option of V13: "c4.8xlarge | vCPUs: 36 cores: 18 memory: 60 GiB"."""
    gib = f"{kind.memory_mib / 1024:.3g}"
    return f"{kind.name} | vCPUs: {kind.vcpus} cores: {kind.cores} memory: {gib} GiB"


class NotebookForm(InstanceTypeFields):
    """V13, F034-F036."""

    uuid = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4)
    name = forms.CharField(label="Notebook name", max_length=80)
    description = forms.CharField(label="Notebook description", required=False, max_length=500)
    preferred_cluster = forms.TypedChoiceField(
        label="Cluster",
        required=False,
        coerce=UUID,
        empty_value=None,
        help_text="The notebook is attached to it as soon as both are up. You can choose "
        "another one in the notebook at any time.",
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:  # noqa: ANN401 - Django's signature
        super().__init__(*args, **kwargs)
        self.user = user
        self.fields[
            "instance_type"
        ].help_text = "The node that runs Jupyter and its plain cells. It is no part of a cluster."
        clusters = [(str(uuid), label) for uuid, label in cluster_choices(self.workspace)]
        self.set_choices("preferred_cluster", [("", "Select a cluster..."), *clusters])

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        kinds = {kind.name: kind for kind in self.offered}
        if cleaned.get("instance_type") in kinds:
            cleaned["instance_type"] = kinds[cleaned["instance_type"]]
        if "uuid" not in cleaned:
            self.add_error(None, "This form is not complete. Load it again.")
        elif "name" in cleaned:
            self._clean_name(cleaned["name"], cleaned["uuid"])
        return cleaned

    def _clean_name(self, name: str, uuid: UUID) -> None:
        mine = Notebook.objects.live().own(self.user).filter(workspace=self.workspace)
        if name.casefold() == MY_NOTEBOOK.casefold():
            self.add_error("name", f"{MY_NOTEBOOK} is made by itself. Choose another name.")
        elif mine.filter(name__iexact=name).exclude(uuid=uuid).exists():
            self.add_error("name", f"You have a notebook named {name} here already.")


class NotebookDefaultsForm(InstanceTypeFields):
    """What the next My Notebook of the workspace is like (V20); those that exist stay."""

    idle = forms.IntegerField(
        label="Auto pause",
        required=False,
        min_value=1,
        help_text="A notebook server that nobody used for this time is paused. Its files stay.",
    )
    idle_unit = forms.ChoiceField(label="Unit of Auto pause", required=False)

    field_order = ["instance_type", "idle", "idle_unit"]

    def __init__(self, *args: Any, workspace: Workspace, **kwargs: Any) -> None:  # noqa: ANN401 - Django's signature
        kwargs["initial"] = _initial(workspace)
        super().__init__(*args, workspace=workspace, **kwargs)
        field = self.fields["instance_type"]
        field.required = False
        kinds = [(kind.name, _label(kind)) for kind in self.offered]
        own = workspace.notebook_instance_type
        if own and own not in dict(kinds):
            kinds.append((own, f"{own} (not offered now)"))
        self.set_choices("instance_type", [("", "The smallest one that is offered"), *kinds])
        installation = settings.NOTEBOOK_IDLE_MINUTES
        usual = f"{installation} minutes" if installation else "Never"
        units = [(name, name.capitalize()) for name in (*UNITS, NEVER)]
        self.set_choices("idle_unit", [(INSTALLATION, f"Usual ({usual})"), *units])

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        cleaned["idle_minutes"] = self._minutes()
        return cleaned

    def _minutes(self) -> int | None:
        number, unit = self.cleaned_data.get("idle"), self.cleaned_data.get("idle_unit")
        if unit == NEVER:
            return 0
        if "idle_unit" in self.errors:
            self.add_error("idle", "Choose one of the offered units.")
        if unit not in UNITS or "idle" in self.errors:
            return None
        if number is None:
            self.add_error("idle", "Enter a number, or choose Never.")
            return None
        minutes: int = number * UNITS[unit]
        if minutes > MAX_MINUTES:
            self.add_error("idle", "A year is the longest; choose Never instead.")
        return minutes


def _initial(workspace: Workspace) -> dict[str, Any]:
    minutes = workspace.notebook_idle_minutes
    known: dict[str, Any] = {"instance_type": workspace.notebook_instance_type}
    if minutes is None:
        return known | {"idle": None, "idle_unit": INSTALLATION}
    if minutes == 0:
        return known | {"idle": None, "idle_unit": NEVER}
    unit = next(unit for unit, size in reversed(UNITS.items()) if minutes % size == 0)
    return known | {"idle": minutes // UNITS[unit], "idle_unit": unit}
