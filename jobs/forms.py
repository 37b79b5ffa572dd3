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
from jobs.schedule import NoSuchTime, comes_twice, instant_of, local_words, zone_names
from jobs.services import Retries, Schedule, Source

VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
REFERENCE = re.compile(r"[A-Za-z0-9_./][^\s~^:?*\[\\\x00-\x1f]*")
# They steer the launcher of the cluster itself; a job's own value would break or escape it.
RESERVED_PREFIXES = ("LD_", "HYDRA_", "PMI", "MPIR_CVAR_", "BODO_RUN", "BODO_CLUSTER")


class ClusterField(forms.ModelChoiceField[Cluster]):
    def label_from_instance(self, obj: Cluster) -> str:
        return f"{obj.name} ({obj.state})" if obj.is_asleep else obj.name


class JobForm(MachineFields):
    uuid = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4)
    name = forms.CharField(label="Job name", max_length=80)
    cluster = ClusterField(
        label="Cluster",
        queryset=Cluster.objects.none(),
        required=False,
        empty_label="Select a cluster…",
        help_text="Clusters that no notebook and no other job uses now. A PAUSED or STOPPED one "
        "can be chosen for a date and time: it will be resumed then, and stays RUNNING afterwards.",
    )
    is_new_cluster = forms.BooleanField(label="NEW", required=False)
    command = forms.CharField(
        label="Command",
        max_length=4000,
        help_text="This command is automatically prepended with mpiexec -n <CORE_COUNT> python. "
        "Example: ex.py 1",
    )
    schedule_kind = forms.ChoiceField(
        label="Schedule",
        choices=[("NOW", "Now, as soon as the cluster is ready"), ("AT", "At a date and time")],
        widget=forms.RadioSelect,
        required=False,
        initial="NOW",
    )
    scheduled_on = forms.DateTimeField(
        label="Date and time",
        required=False,
        widget=forms.DateTimeInput({"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )
    time_zone = forms.ChoiceField(label="Time zone", required=False)
    source_kind = forms.ChoiceField(
        label="Source",
        choices=Job.SourceKind.choices,
        widget=forms.RadioSelect,
        required=False,
        initial=Job.SourceKind.GIT,
    )
    source_url = forms.CharField(
        label="Path",
        max_length=500,
        required=False,
        help_text="The Git URL of the repository with your code, as your browser shows it: "
        "it should not end in .git.",
    )
    source_folder = forms.CharField(
        label="Folder",
        max_length=500,
        required=False,
        help_text="A folder of the workspace's files, such as examples. Empty is the top one, "
        "/shared. The command runs there, and the files it writes there stay.",
    )
    reference = forms.CharField(
        label="Workspace reference",
        max_length=200,
        required=False,
        help_text="Git commit hash, branch name or tag. Empty is the default branch.",
    )
    username = forms.CharField(
        label="Workspace username",
        max_length=200,
        required=False,
        widget=forms.TextInput({"autocomplete": "off"}),
        help_text="Your user name on the Git host, for a private repository.",
    )
    password = forms.CharField(
        label="Workspace password",
        max_length=1000,
        required=False,
        strip=False,
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
        help_text="Your password on the Git host, or a GitHub access token: needed if your GitHub "
        "account uses 2FA. Stored encrypted, shown to nobody, and gone before your code starts.",
    )
    timeout_minutes = forms.IntegerField(
        label="Timeout",
        min_value=1,
        max_value=60 * 24 * 30,
        initial=60,
        help_text="Minutes, of each attempt.",
    )
    retries = forms.IntegerField(
        label="Retries",
        min_value=0,
        max_value=20,
        initial=0,
        required=False,
        help_text="How often to try again after a failure.",
    )
    retry_delay_minutes = forms.IntegerField(
        label="Retry delay",
        min_value=0,
        max_value=24 * 60,
        initial=1,
        required=False,
        help_text="Minutes between two attempts. The cluster stays taken meanwhile.",
    )
    is_retried_on_timeout = forms.BooleanField(label="Retry after a timeout too", required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Django's signature
        super().__init__(*args, **kwargs)
        field = self.fields["cluster"]
        assert isinstance(field, forms.ModelChoiceField)  # noqa: S101 - for the type checker
        field.queryset = Cluster.objects.free_or_asleep(timezone.now()).filter(
            workspace=self.workspace
        )
        self._set_choices("time_zone", [(name, name) for name in zone_names()])
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
        if not url:
            return url
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise forms.ValidationError("Enter an address that begins with https:// or http://.")
        if parts.username or parts.password:
            raise forms.ValidationError("Leave user name and password out of the address.")
        if url.endswith(".git"):
            url = url.removesuffix(".git")
            self.notices.append(f"The path should not end in .git; {url} is used.")
        return url

    def clean_source_folder(self) -> str:
        """Seen from the top of the shared tree, as /shared/examples or examples."""
        typed: str = self.cleaned_data["source_folder"]
        words = [word for word in typed.split("/") if word not in ("", ".")]
        if typed.startswith("/") and words[:1] == ["shared"]:
            words = words[1:]
        elif typed.startswith("/"):
            raise forms.ValidationError("Enter a folder below /shared.")
        if ".." in words:
            raise forms.ValidationError("Leave out ..: the folder is seen from /shared.")
        return "/".join(words)

    def clean_reference(self) -> str:
        reference: str = self.cleaned_data["reference"]
        if reference and not REFERENCE.fullmatch(reference):
            raise forms.ValidationError("That can not be the name of a branch, tag or commit.")
        return reference

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        self._clean_source(cleaned)
        if earlier := self._earlier():
            self.errors.pop("cluster", None)  # its job may have taken it: it is not free any more
            cleaned["cluster"] = earlier.cluster
            cleaned["schedule"] = Schedule()
            return cleaned
        self._clean_schedule(cleaned)
        if cleaned.get("is_new_cluster"):
            cleaned["cluster"] = None
            self.clean_machines(cleaned)
        else:
            self._clean_cluster(cleaned)
        return cleaned

    def _clean_cluster(self, cleaned: dict[str, Any]) -> None:
        cluster: Cluster | None = cleaned.get("cluster")
        if cluster is None:
            if "cluster" not in self.errors:
                self.add_error("cluster", "Select a cluster, or NEW to make one for this job.")
        elif cluster.is_asleep and cleaned.get("schedule_kind") != "AT":
            self.add_error(
                "cluster",
                f"{cluster.name} is {cluster.state}. Resume it first, or choose a date and time: "
                "it will be resumed then.",
            )

    def _clean_source(self, cleaned: dict[str, Any]) -> None:
        kind = cleaned.get("source_kind") or Job.SourceKind.GIT
        is_git = kind == Job.SourceKind.GIT
        if is_git and not cleaned.get("source_url") and "source_url" not in self.errors:
            self.add_error("source_url", "This field is required.")
        keys = ("url", "reference", "username", "password") if is_git else ("folder",)
        names = {"url": "source_url", "folder": "source_folder"}
        facts = {key: cleaned.get(names.get(key, key), "") for key in keys}
        cleaned["source"] = Source(kind=kind, **facts)

    def _clean_schedule(self, cleaned: dict[str, Any]) -> None:
        zone = cleaned.get("time_zone") or "UTC"
        cleaned["schedule"] = Schedule(time_zone=zone)
        if cleaned.get("schedule_kind") != "AT" or "scheduled_on" in self.errors:
            return
        if not (typed := cleaned.get("scheduled_on")):
            self.add_error("scheduled_on", "Enter the date and time, or choose Now.")
            return
        try:
            at = instant_of(typed.replace(tzinfo=None), zone)
        except NoSuchTime as error:
            self.add_error("scheduled_on", str(error))
            return
        now = timezone.now()
        if at <= now:
            here = local_words(now, zone)
            self.add_error("scheduled_on", f"That time has passed: it is {here} now.")
        elif comes_twice(at, zone):
            self.notices.append(f"That time comes twice; the first one is meant: {at:%H:%M} UTC.")
        cleaned["schedule"] = Schedule(at, zone)

    def has_advanced_errors(self) -> bool:
        shown = ("reference", "username", "password", "timeout_minutes", "retries")
        return any(name in self.errors for name in (*shown, "retry_delay_minutes"))

    def creation(self) -> dict[str, Any]:
        """The arguments of ``job_create`` that come from this form, but for the cluster."""
        data = self.cleaned_data
        delay = data["retry_delay_minutes"]
        retries = Retries(
            count=data["retries"] or 0,
            delay_minutes=1 if delay is None else delay,
            on_timeout=data["is_retried_on_timeout"],
        )
        plain = ("uuid", "name", "command", "source", "schedule", "timeout_minutes")
        return {key: data[key] for key in plain} | {"retries": retries}

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


def initial_of(job: Job) -> dict[str, Any]:
    """A form filled as that job's was, without its secrets."""
    plain = (
        "name", "command", "source_kind", "source_url", "source_folder", "reference", "username",
        "time_zone", "timeout_minutes", "retries", "retry_delay_minutes", "is_retried_on_timeout",
    )  # fmt: skip
    cluster = job.cluster
    machines = {
        "is_new_cluster": True,
        "instance_type": cluster.instance_type,
        "node_count": cluster.node_count,
        "bodo_version": cluster.bodo_version,
    }
    chosen = machines if cluster.is_dedicated else {"cluster": cluster.pk}
    return {name: getattr(job, name) for name in plain} | chosen
