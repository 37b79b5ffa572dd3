"""The notebook origin, for uvicorn: hosts of their own, so that notebooks get no session cookie."""

from __future__ import annotations

import os

import django

from bodoweb.lifetime import end_with_manager

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bodoweb.settings")
end_with_manager()
django.setup()

from clusters.notebook_routes import ROUTES  # noqa: E402 - needs Django to be set up
from workspaces.notebooks.origin import NotebookOrigin  # noqa: E402 - needs Django to be set up

application = NotebookOrigin(routes=ROUTES)
