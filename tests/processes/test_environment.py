"""A missing or malformed value stops the start with one sentence that names the variable."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stack import OURS, ROOT

KEYS = {
    "BODO_SECRET_KEY": "s" * 50,
    "BODO_FIELD_KEYS": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
}
PRODUCTION = {
    "BODO_MODE": "production",
    "BODO_PUBLIC_URL": "https://bodo.example.org",
    "BODO_NOTEBOOK_ORIGIN": "https://nb-{uuid}.notebooks.example",
    **KEYS,
}


def start(tmp_path: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env={**clean, "BODO_DATA_DIR": str(tmp_path), **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"BODO_PORT": "abc"}, "BODO_PORT must be a whole number from 1 to 65535, not 'abc'."),
        ({"BODO_PORT": "65535"}, "BODO_NOTEBOOK_PORT must be a whole number from 1 to 65535"),
        ({"BODO_WORKERS": "0"}, "BODO_WORKERS must be a whole number of at least 1, not '0'."),
        ({"BODO_MODE": "prod"}, "BODO_MODE must be one of development, production, not 'prod'."),
        ({"BODO_DEBUG": "maybe"}, "BODO_DEBUG must be true or false, not 'maybe'."),
        ({"BODO_PUBLIC_URL": "here"}, "BODO_PUBLIC_URL must be an address"),
        ({"BODO_DATA_DIR": "/proc/none"}, "BODO_DATA_DIR: /proc/none can not be used"),
        ({"BODO_FIELD_KEYS": "short"}, "BODO_FIELD_KEYS must be 32 bytes"),
        ({"DATABASE_URL": "mysql://somewhere/name"}, "DATABASE_URL must look like"),
        ({"DATABASE_URL": "nonsense"}, "DATABASE_URL must look like"),
        ({"EMAIL_URL": "nonsense"}, "EMAIL_URL must look like"),
        ({"BODO_MODE": "production"}, "BODO_SECRET_KEY must be set in production"),
        ({**PRODUCTION}, "EMAIL_URL must be set in production"),
        (
            {**PRODUCTION, "BODO_NOTEBOOK_ORIGIN": ""},
            "BODO_NOTEBOOK_ORIGIN must be set in production, such as https://nb-{uuid}.",
        ),
        ({"BODO_AWS_REGIONS": "Ohio"}, "BODO_AWS_REGIONS must be regions such as us-east-1"),
        ({"BODO_PLATFORM_AWS_ACCOUNT_ID": "12"}, "BODO_PLATFORM_AWS_ACCOUNT_ID must be the 12"),
        ({"BODO_AWS_IMAGES": "2026.10:here"}, "BODO_AWS_IMAGES must look like 2026.10:us-east-1"),
    ],
)
def test_a_bad_value_is_told_in_a_sentence(
    tmp_path: Path, environment: dict[str, str], sentence: str
) -> None:
    done = start(tmp_path, environment)

    assert done.returncode == 1
    assert done.stderr.startswith(f"bodoweb can not start: {sentence}")
    assert len(done.stderr.splitlines()) == 1


def test_a_production_configuration_starts(tmp_path: Path) -> None:
    done = start(tmp_path, {**PRODUCTION, "EMAIL_URL": "smtp://localhost:25"})

    assert done.returncode == 0, done.stderr


def test_options_of_the_database_url_are_kept_beside_the_pool(tmp_path: Path) -> None:
    show = "from django.conf import settings as s; print(s.DATABASES['default']['OPTIONS'])"
    url = "postgres://user:password@localhost/name?sslmode=require"

    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", show],
        cwd=ROOT,
        env={**os.environ, "BODO_DATA_DIR": str(tmp_path), "DATABASE_URL": url}
        | {"BODO_PROCESS": "web"},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert "'sslmode': 'require'" in done.stdout
    assert "'pool'" in done.stdout


def test_every_variable_is_in_the_readme() -> None:
    settings = (ROOT / "bodoweb" / "settings.py").read_text()
    inner = {"BODO_PROCESS"}  # set by the process manager alone

    names = set(re.findall(r'"((?:BODO_[A-Z_]+)|DATABASE_URL|EMAIL_URL)"', settings)) - inner

    readme = (ROOT / "README.md").read_text()
    assert len(names) > 15
    assert [name for name in sorted(names) if f"`{name}`" not in readme] == []
