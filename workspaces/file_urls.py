"""The file or folder that an address is about is in its query: ``?path=data/a.csv``."""

from __future__ import annotations

from django.urls import path

from workspaces.views import files

app_name = "files"
urlpatterns = [
    path("", files.file_list, name="list"),
    path("upload/", files.file_upload_action, name="upload"),
    path("new-folder/", files.folder_create_page, name="create_folder"),
    path("rename/", files.file_rename_page, name="rename"),
    path("delete/", files.file_delete_action, name="delete"),
    path("download/", files.file_download, name="download"),
]
