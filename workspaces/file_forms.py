from __future__ import annotations

from django import forms


class FileNameForm(forms.Form):
    """The driver knows which names are good; nothing is taken from what was typed."""

    name = forms.CharField(
        label="Name",
        max_length=255,
        strip=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
