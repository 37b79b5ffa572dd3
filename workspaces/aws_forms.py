"""The fields of linking an AWS account, in the documents' words and order (F068, F076, V19)."""

from __future__ import annotations

import re
from typing import Any, cast

from django import forms
from django.conf import settings
from django.core.validators import RegexValidator

from workspaces.clouds.aws.keys import AccessKeys
from workspaces.clouds.aws.names import ROLE_ARN
from workspaces.models import CloudConfiguration, Organization

BUCKET = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
TABLE = r"[A-Za-z0-9_.-]{3,255}"
KEY_ID = r"[A-Z0-9]{16,128}"
ANY_KEY = r"[\x21-\x7e]{16,128}"
TYPED_LENGTH = 600  # longer than any right value


class UnrememberedInput(forms.TextInput):
    """What was typed is never rendered back."""

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:  # noqa: ANN401 - Django's signature
        return super().get_context(name, None, attrs)


def _pattern(regex: str, message: str) -> RegexValidator:
    return RegexValidator(rf"\A{regex}\Z", message)


_OFF = {"autocomplete": "off", "spellcheck": "false"}


class AccessKeyFields(forms.Form):
    """Method 1 and Create Role For Me. The values leave it as ``keys()`` and no other way."""

    access_key_id = forms.CharField(
        label="Access Key ID",
        widget=UnrememberedInput(attrs=_OFF),
        validators=[_pattern(KEY_ID, "An Access Key ID is 20 capital letters and digits.")],
    )
    secret_access_key = forms.CharField(
        label="Access Secret Key",
        widget=forms.PasswordInput(render_value=False, attrs=_OFF),
        validators=[_pattern(ANY_KEY, "An Access Secret Key is 40 characters, without spaces.")],
        help_text="We will not save the provided Access Keys for security reasons.",
    )

    def clean_access_key_id(self) -> str:
        key: str = self.cleaned_data["access_key_id"]
        if key.startswith("ASIA"):
            raise forms.ValidationError(
                "This is a temporary key. Use the access key of an IAM user; it begins with AKIA."
            )
        return key

    def keys(self) -> AccessKeys:
        return AccessKeys(
            self.cleaned_data["access_key_id"], self.cleaned_data["secret_access_key"]
        )


class RoleKeysForm(AccessKeyFields):
    """The panel of V07, with its own labels."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Django's signature
        super().__init__(*args, **kwargs)
        self.fields["access_key_id"].label = "Access key"
        self.fields["secret_access_key"].label = "Access Secret key"


def aws_regions() -> list[str]:
    """Those that the operator allows (F073)."""
    return cast("list[str]", settings.CLOUD_SETTINGS["aws"]["regions"])


class ConfigurationFields(forms.Form):
    """Name and region, with which both ways begin and end."""

    name = forms.CharField(label="Name", max_length=80)
    region = forms.ChoiceField(label="Metadata Storage Region")

    def __init__(self, *args: Any, organization: Organization, **kwargs: Any) -> None:  # noqa: ANN401 - Django's signature
        super().__init__(*args, **kwargs)
        self._organization = organization
        region = self.fields["region"]
        assert isinstance(region, forms.ChoiceField)  # noqa: S101 - for the type checker
        names = aws_regions()
        region.choices = [("", "Select…"), *((name, name) for name in names)]

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        same = CloudConfiguration.objects.filter(organization=self._organization, name__iexact=name)
        if same.exists():
            raise forms.ValidationError(
                f"Your organization has a configuration named {name} already."
            )
        return name

    def typed(self) -> dict[str, str]:
        """As it was typed, right or wrong, so that a draft keeps it."""
        return {name: str(self[name].value() or "").strip()[:TYPED_LENGTH] for name in self.fields}


class AwsKeysForm(ConfigurationFields, AccessKeyFields):
    field_order = ("name", "access_key_id", "secret_access_key", "region")

    def plain(self) -> dict[str, str]:
        """What is no secret."""
        return {name: self.cleaned_data[name] for name in ("name", "region")}


class AwsManualForm(ConfigurationFields):
    bucket = forms.CharField(
        label="S3 Bucket Name",
        validators=[
            _pattern(BUCKET, "3 to 63 small letters, digits, dots and hyphens, as S3 takes them.")
        ],
    )
    table = forms.CharField(
        label="Dynamo DB Table",
        help_text="Its name. We derive its Amazon Resource Name (ARN), which the table's page shows"
        " under Additional info.",
        validators=[
            _pattern(TABLE, "The table's name: 3 to 255 letters, digits, and the signs _ - .")
        ],
    )
    role_arn = forms.CharField(
        label="Role ARN",
        widget=forms.TextInput(attrs={"placeholder": "arn:aws:iam::<ACCOUNT_ID>:role/", **_OFF}),
    )
    field_order = ("name", "bucket", "table", "role_arn", "region")

    def clean_role_arn(self) -> str:
        arn: str = self.cleaned_data["role_arn"]
        if not re.fullmatch(ROLE_ARN, arn):
            raise forms.ValidationError(
                "A Role ARN looks like arn:aws:iam::123456789012:role/BodoPlatformUser; copy it"
                " from the role's summary."
            )
        return arn


class WayForm(forms.Form):
    """How to link the account (F067)."""

    way = forms.ChoiceField(
        label="Create config using an AWS Access Key or Manually?",
        choices=[("keys", "With Access Keys"), ("manual", "Manual Process")],
        widget=forms.RadioSelect,
        initial="keys",
    )
