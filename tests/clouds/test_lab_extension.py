"""The extension as each server offers it to browsers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from workspaces.clouds.local import lab


def _entry(folder: Path) -> str:
    about = json.loads((folder / "bodoweb-clusters" / "package.json").read_text())
    load: str = about["jupyterlab"]["_build"]["load"]
    return load


def test_its_address_leads_to_the_files(tmp_path: Path) -> None:
    lab.install_extension(tmp_path)

    entry = tmp_path / "bodoweb-clusters" / _entry(tmp_path)
    assert entry.read_text() == (lab.LABEXTENSION / "static" / "remoteEntry.js").read_text()
    assert (entry.parent / "plugin.js").exists()


def test_its_address_changes_with_its_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Browsers keep what they got for a year."""
    changed = tmp_path / "changed"
    shutil.copytree(lab.LABEXTENSION, changed)
    lab.install_extension(tmp_path)
    before = _entry(tmp_path)

    (changed / "static" / "selector.js").write_text("// newer")
    monkeypatch.setattr(lab, "LABEXTENSION", changed)
    lab.install_extension(tmp_path)

    assert _entry(tmp_path) != before
    assert not (tmp_path / "bodoweb-clusters" / before).exists()


def test_the_same_content_keeps_its_address(tmp_path: Path) -> None:
    lab.install_extension(tmp_path)
    before = _entry(tmp_path)

    lab.install_extension(tmp_path)

    assert _entry(tmp_path) == before


@pytest.mark.parametrize("what", ["link", "file", "folder"])
def test_what_lies_in_its_place_is_replaced(tmp_path: Path, what: str) -> None:
    place = tmp_path / "bodoweb-clusters"
    if what == "link":
        place.symlink_to(tmp_path / "where-the-platform-was")
    elif what == "file":
        place.write_text("")
    else:
        (place / "static").mkdir(parents=True)

    lab.install_extension(tmp_path)

    assert (place / _entry(tmp_path)).exists()
    assert lab.LABEXTENSION.joinpath("static", "plugin.js").exists()
