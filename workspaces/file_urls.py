"""The file or folder that an address is about is in its query: ``?path=data/a.csv``."""

from __future__ import annotations

from django.urls import path

from workspaces.views import file_transfers, files

app_name = "files"
urlpatterns = [
    path("", files.file_list, name="list"),
    path("upload/", file_transfers.file_upload_action, name="upload"),
    path("new-folder/", files.folder_create_page, name="create_folder"),
    path("move/", files.file_move_page, name="move"),
    path("delete/", files.file_delete_action, name="delete"),
    path("download/", file_transfers.file_download, name="download"),
    path("archive/", file_transfers.folder_download, name="archive"),
]
