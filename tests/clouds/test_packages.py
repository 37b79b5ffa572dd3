from __future__ import annotations

import json
from pathlib import Path

import pytest

from workspaces.clouds.local import packages

WORDS = """bodo (2026.10)
Available versions: 2026.10, 2026.8, 2026.7, 2026.2, 2025.12.1, 2026.11rc1
  INSTALLED: 2026.10
"""


def test_versions_from_words_are_sorted_as_numbers() -> None:
    assert packages.parse_versions(WORDS)[:3] == ["2026.10", "2026.8", "2026.7"]
    assert "2026.11rc1" not in packages.parse_versions(WORDS)


def test_versions_from_json() -> None:
    answer = json.dumps({"name": "bodo", "versions": ["2026.8", "2026.10"]})

    assert packages.parse_versions(answer) == ["2026.10", "2026.8"]


@pytest.mark.parametrize("output", ["", "ERROR: No matching distribution", "[]", "{}", "null"])
def test_an_index_that_does_not_answer_offers_nothing(output: str) -> None:
    assert packages.parse_versions(output) == []


def test_settings_of_pip_in_the_words_of_uv() -> None:
    lines = [
        ":env:.find-links='/wheels'",
        "global.find-links='/other'",
        "global.extra-index-url='https://a.example/simple\\nhttps://b.example/simple'",
        "global.timeout='10'",
        "nonsense",
    ]

    assert packages.translated(packages.parse_settings(lines)) == {
        "UV_FIND_LINKS": "/wheels",
        "UV_INDEX": "https://a.example/simple https://b.example/simple",
    }


def test_tools_see_nothing_of_the_platforms_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BODO_SECRET_KEY", "secret")
    monkeypatch.setenv("UV_INDEX", "https://index.example/simple")

    found = packages.tool_environment()

    assert "BODO_SECRET_KEY" not in found
    assert found["UV_INDEX"] == "https://index.example/simple"


def test_pip_under_another_home_reads_the_settings_of_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / ".config" / "pip" / "pip.conf"
    settings.parent.mkdir(parents=True)
    settings.touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("PIP_CONFIG_FILE", raising=False)
    monkeypatch.setenv("PIP_FIND_LINKS", "/wheels")
    monkeypatch.setenv("PIP_TARGET", "/elsewhere")
    monkeypatch.setenv("BODO_SECRET_KEY", "platform-secret")

    found = packages.pip_environment()

    assert (found["PIP_CONFIG_FILE"], found["PIP_FIND_LINKS"]) == (str(settings), "/wheels")
    assert not {"PIP_TARGET", "HOME", "BODO_SECRET_KEY"} & set(found)
