"""What the README promises about setting up is what the files do."""

from __future__ import annotations

import re

from tests.stack import ROOT


def test_every_make_target_that_the_readme_names_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    text = (ROOT / "README.md").read_text() + (ROOT / "CONTRIBUTING.md").read_text()

    named = set(re.findall(r"(?:`|^    )make ([a-z][a-z0-9-]*)", text, flags=re.MULTILINE))

    targets = set(re.findall(r"^([a-z][a-z0-9-]*):", makefile, flags=re.MULTILINE))
    assert {"run", "test", "stop", "check"} <= named
    assert named - targets == set()


def test_the_check_on_every_change_is_the_readme_command() -> None:
    script = (ROOT / ".ci" / "run").read_text()

    assert script.rstrip().endswith("exec make test")


def test_requirements_are_pinned_with_hashes_and_name_no_address() -> None:
    pins = {}
    for name in ("run", "test"):
        text = (ROOT / "requirements" / f"{name}.txt").read_text()
        assert "://" not in text
        entries = re.split(r"\n(?=\S)", text.strip())
        assert all("--hash=sha256:" in entry for entry in entries)
        pins[name] = {entry.split("\\")[0].split(";")[0].strip() for entry in entries}

    assert pins["run"] <= pins["test"]


def test_the_npm_lock_names_no_address_of_a_package() -> None:
    assert '"resolved"' not in (ROOT / "package-lock.json").read_text()
