from __future__ import annotations

from django.apps import AppConfig


class BodowebConfig(AppConfig):
    name = "bodoweb"
