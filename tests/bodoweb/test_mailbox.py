from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.mail import EmailMessage, get_connection
from django.test import Client

FILES = "django.core.mail.backends.filebased.EmailBackend"


@pytest.fixture
def mailbox(settings: Any, tmp_path: Path) -> Path:
    settings.HAS_MAILBOX = True
    settings.MAILBOX_DIR = tmp_path / "mailbox"
    return settings.MAILBOX_DIR


def send(folder: Path, *messages: tuple[str, str]) -> None:
    connection = get_connection(FILES, file_path=str(folder))
    connection.send_messages(
        [EmailMessage(subject, body, to=["ada@example.org"]) for subject, body in messages]
    )


def test_an_empty_mailbox_says_what_to_do(client: Client, mailbox: Path) -> None:
    assert b"No mails yet" in client.get("/mailbox/").content


def test_the_newest_mail_comes_first(client: Client, mailbox: Path) -> None:
    send(mailbox, ("First", "one"), ("Second", "two"))

    page = client.get("/mailbox/").content.decode()

    assert page.index("Second") < page.index("First")


def test_a_mail_shows_its_links_and_no_markup(client: Client, mailbox: Path) -> None:
    send(mailbox, ("Grüße", "Öffnen: http://localhost:8000/a/?b=1&c=2\n<script>x</script>"))
    key = client.get("/mailbox/").context["mails"][0].key

    page = client.get(f"/mailbox/{key}/").content.decode()

    assert "Grüße" in page
    assert 'href="http://localhost:8000/a/?b=1&amp;c=2"' in page
    assert "&lt;script&gt;" in page


def test_an_unknown_mail_is_a_404(client: Client, mailbox: Path) -> None:
    assert client.get("/mailbox/20260101-000000-1-0/").status_code == 404
    assert client.get("/mailbox/..%2Fsecret_key/").status_code == 404


def test_there_is_no_mailbox_where_mail_is_sent(
    client: Client, mailbox: Path, settings: Any, db: None
) -> None:
    settings.HAS_MAILBOX = False
    send(mailbox, ("First", "one"))

    assert client.get("/mailbox/").status_code == 404
    assert client.get("/mailbox/x/").status_code == 404
    assert b"mailbox" not in client.get("/accounts/confirm-email/").content
