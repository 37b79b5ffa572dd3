from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class WorkspacesConfig(AppConfig):
    name = "workspaces"
    verbose_name = "Workspaces"

    def ready(self) -> None:
        """Import every app's ``operations.py``, so that the engine knows the handlers by name."""
        import_module("workspaces.cloud_operations")
        import_module("workspaces.deployment")
        import_module("workspaces.notebook_operations")
        autodiscover_modules("operations")
