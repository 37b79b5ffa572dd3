"""The cluster form. What may be chosen comes from the workspace's provider."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from django import forms

from clusters.fields import IdleTimersMixin, SshPublicKeyField, TagsField, timer_initial
from clusters.models import Cluster
from clusters.services import Extras, IdleTimers, cluster_spec
from workspaces.clouds.base import CloudError, InstanceType
from workspaces.models import Workspace
from workspaces.services import cloud_of

MAX_NODES = 512


class MachineFields(forms.Form):
    """Instance type, number and Bodo version: the same for a cluster and for a job's own one."""

    instance_type = forms.ChoiceField(
        label="Instance type",
        help_text="The type of nodes in the cluster. EFA is used if the instance type supports it.",
    )
    node_count = forms.IntegerField(
        label="Number of Instances", min_value=1, max_value=MAX_NODES, initial=1
    )
    bodo_version = forms.ChoiceField(
        label="Bodo Version", help_text="Typically the three latest Bodo Releases are available."
    )

    def __init__(self, *args: Any, workspace: Workspace, **kwargs: Any) -> None:  # noqa: ANN401 - Django's signature
        super().__init__(*args, **kwargs)
        self.workspace = workspace
        self.cloud = cloud_of(workspace.cloud_configuration)
        self.provider_error = ""
        try:
            self.offered = self.cloud.instance_types(workspace.region)
            versions = self.cloud.bodo_versions(workspace.region)
        except CloudError as error:  # F101: the list is empty, and this is why
            self.offered, versions, self.provider_error = [], [], error.message
        self._set_choices("instance_type", [(kind.name, kind.label) for kind in self.offered])
        self._set_choices(
            "bodo_version",
            [
                (v.version, v.version if v.is_installed else f"{v.version} (installs first)")
                for v in versions
            ],
        )

    def _set_choices(self, name: str, choices: list[tuple[str, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101 - for the type checker
        field.choices = choices

    def clean_machines(self, cleaned: dict[str, Any]) -> None:
        """Turn the chosen name into its instance type, and ask the provider for room."""
        kinds = {kind.name: kind for kind in self.offered}
        kind = kinds.get(cleaned.get("instance_type", ""))
        count = cleaned.get("node_count")
        if kind is None or count is None:
            return
        cleaned["instance_type"] = kind
        try:
            self.cloud.check_capacity(self.workspace.region, kind, count)
        except CloudError as error:
            if not self.is_repeated():  # the room may have gone to the first submit meanwhile
                self.add_error("node_count", error.message)

    def is_repeated(self) -> bool:
        """This very form was accepted before: a double click, or an answer that got lost."""
        return False


class ClusterForm(IdleTimersMixin, MachineFields):
    uuid = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4)
    name = forms.CharField(label="Cluster name", max_length=80)
    description = forms.CharField(
        label="Cluster description",
        required=False,
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    ssh_public_key = SshPublicKeyField(label="SSH Public Key")
    tags = TagsField(label="Tags")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.is_repeated():
            return cleaned
        if {"uuid", "name"} <= cleaned.keys():
            name = cleaned["name"]
            same = Cluster.objects.live().filter(workspace=self.workspace, name__iexact=name)
            if same.exclude(uuid=cleaned["uuid"]).exists():
                self.add_error("name", f"A cluster named {name} lives in this workspace already.")
        self.clean_machines(cleaned)
        self.timers = _timers(self)
        return cleaned

    def is_repeated(self) -> bool:
        uuid: UUID | None = self.cleaned_data.get("uuid")
        mine = Cluster.objects.filter(workspace=self.workspace)
        return uuid is not None and mine.filter(uuid=uuid).exists()

    def creation(self) -> dict[str, Any]:
        """The arguments of ``cluster_create``."""
        data = self.cleaned_data
        plain = ("uuid", "name", "instance_type", "node_count", "bodo_version")
        extras = Extras(
            description=data["description"],
            ssh_public_key=data["ssh_public_key"],
            tags=data["tags"],
            timers=getattr(self, "timers", IdleTimers()),
        )
        return {key: data[key] for key in plain} | {"extras": extras}


def _timers(form: IdleTimersMixin) -> IdleTimers:
    minutes = form.timer_minutes()
    return IdleTimers(minutes["auto_pause"], minutes["auto_stop"], minutes["auto_shutdown"])


class ClusterEditForm(IdleTimersMixin, MachineFields):
    """What may change now: everything while STOPPED, else neither type nor version (G006)."""

    name = forms.CharField(label="Cluster name", max_length=80)
    description = ClusterForm.base_fields["description"]
    tags = TagsField(label="Tags")

    def __init__(self, *args: Any, cluster: Cluster, **kwargs: Any) -> None:  # noqa: ANN401 - Django's signature
        self.cluster = cluster
        kwargs["initial"] = _initial(cluster)
        super().__init__(*args, workspace=cluster.workspace, **kwargs)
        version = self.fields["bodo_version"]
        assert isinstance(version, forms.ChoiceField)  # noqa: S101 - for the type checker
        if cluster.bodo_version not in dict(version.choices):  # type: ignore[arg-type]  # plain pairs
            version.choices = [(cluster.bodo_version, cluster.bodo_version), *version.choices]  # type: ignore[misc]  # plain pairs
        is_stopped = cluster.state == Cluster.State.STOPPED
        self.fields["instance_type"].disabled = not is_stopped
        self.fields["bodo_version"].disabled = not is_stopped
        self.fields["node_count"].disabled = not (is_stopped or "scale" in cluster.verbs)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        self.timers = _timers(self)
        more = cleaned.get("node_count", 0) - self.cluster.node_count
        if more > 0 and self.cluster.state == Cluster.State.RUNNING:
            try:
                kind = cluster_spec(self.cluster).instance_type
                self.cloud.check_capacity(self.workspace.region, kind, more)
            except CloudError as error:
                self.add_error("node_count", error.message)
        return cleaned

    def chosen_type(self) -> InstanceType:
        """Of the offered ones; the cluster's own when its provider no longer offers it."""
        kinds = {kind.name: kind for kind in self.offered}
        own = cluster_spec(self.cluster).instance_type
        return kinds.get(self.cleaned_data["instance_type"], own)


def _initial(cluster: Cluster) -> dict[str, Any]:
    fields = ("name", "description", "tags", "instance_type", "node_count", "bodo_version")
    initial = {name: getattr(cluster, name) for name in fields}
    for name in ("auto_pause", "auto_stop", "auto_shutdown"):
        initial |= timer_initial(name, getattr(cluster, f"{name}_minutes"))
    return initial
