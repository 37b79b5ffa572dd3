from __future__ import annotations

from django import forms
from django.http import QueryDict

ROOT = "/shared"
_AS_TYPED = {"autocomplete": "off", "spellcheck": "false"}


class FileNameForm(forms.Form):
    """The driver knows which names are good; nothing is taken from what was typed."""

    name = forms.CharField(
        label="Name", max_length=255, strip=False, widget=forms.TextInput(attrs=_AS_TYPED)
    )


class FilePlaceForm(FileNameForm):
    """A new name, another folder, or both. The fields hold text and names on disk any bytes, so
    what was not changed stays what it is on disk."""

    folder = forms.CharField(
        label="Folder",
        max_length=4096,
        strip=False,
        help_text="To move it, the path of another folder, such as /shared/data.",
        widget=forms.TextInput(attrs={**_AS_TYPED, "list": "folders"}),
    )

    def __init__(self, data: QueryDict | None, *, path: str) -> None:
        above, _, name = path.rpartition("/")
        initial = {"name": _readable(name), "folder": _readable(f"{ROOT}/{above}".rstrip("/"))}
        super().__init__(data, initial=initial)
        self._above, self._name = above, name

    def clean_folder(self) -> str:
        """Its path in the shared tree, "" for the tree itself."""
        if "folder" not in self.changed_data:
            return self._above
        path = str(self.cleaned_data["folder"])
        is_below_root = path == ROOT or path.startswith(f"{ROOT}/")
        return path.removeprefix(ROOT if is_below_root else "").strip("/")

    def clean_name(self) -> str:
        return str(self.cleaned_data["name"]) if "name" in self.changed_data else self._name


def _readable(text: str) -> str:
    """As a browser sends it back."""
    return text.encode("utf-8", "replace").decode().translate({ord("\r"): None, ord("\n"): None})
