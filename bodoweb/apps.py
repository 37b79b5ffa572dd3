from __future__ import annotations

from django.apps import AppConfig
from django.contrib.staticfiles.apps import StaticFilesConfig


class BodowebConfig(AppConfig):
    name = "bodoweb"


class StaticFiles(StaticFilesConfig):
    """Leaves out what no page asks for; some of it names files that npm does not bring."""

    ignore_patterns = [
        *StaticFilesConfig.ignore_patterns,
        *("flags", "libs", "payments", "social", "types"),
        *("tabler.css*", "tabler.js*", "tabler-*", "*.esm.*", "*.rtl.*"),
    ]
