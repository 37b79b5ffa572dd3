"""Three groups of pages: one's notebooks, My Notebook, and the workspace's settings."""

from __future__ import annotations

from django.urls import path

from workspaces.models.notebooks import NOTEBOOK_VERBS
from workspaces.views import notebooks

own = [
    path("", notebooks.notebook_list, name="list"),
    path("create/", notebooks.notebook_create_page, name="create"),
    path("<uuid:notebook>/", notebooks.notebook_detail, name="detail"),
    path("<uuid:notebook>/row/", notebooks.notebook_row, name="row"),
    path("<uuid:notebook>/panel/", notebooks.notebook_panel, name="panel"),
    path("<uuid:notebook>/open/", notebooks.notebook_open_action, name="open"),
    path("<uuid:notebook>/remove/", notebooks.notebook_remove_action, name="remove"),
    *[
        path(f"<uuid:notebook>/{verb}/", notebooks.notebook_act_action, {"verb": verb}, name=verb)
        for verb in NOTEBOOK_VERBS
    ],
]
mine = [
    path("", notebooks.my_notebook, name="page"),
    path("card/", notebooks.my_notebook_card, name="card"),
    path("start/", notebooks.my_notebook_start_action, name="start"),
]
settings = [
    path("", notebooks.notebook_manager, name="notebooks"),
    path("notebook-defaults/", notebooks.notebook_defaults_page, name="defaults"),
]
