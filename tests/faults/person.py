"""A user at the pages, over HTTP: signs in, fills in forms, presses buttons, reads.

Standard library only; once signed in, one person may be used by several threads.
"""

from __future__ import annotations

import http.client
import re
from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from tests.waiting import wait_until

TIMEOUT_SECONDS = 30
BOUNDARY = "end-of-part"
URLENCODED = "application/x-www-form-urlencoded"
NOBODY_LISTENS = (OSError, http.client.HTTPException)


@dataclass(frozen=True)
class Answer:
    status: int
    text: str

    @property
    def is_accepted(self) -> bool:
        return self.status == http.client.FOUND

    def complaints(self) -> list[str]:
        """What a refused form says is wrong."""
        marked = r'class="[^"]*(?:invalid|error|danger)[^"]*"[^>]*>\s*(?:<[^>]*>\s*)*([^<]+)'
        return [text.strip() for text in re.findall(marked, self.text)]


class Person:
    def __init__(self, url: str, workspace: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._cookies: dict[str, str] = {}
        self._pages = f"/w/{workspace}"
        self._token = ""

    def sign_in(self, email: str, password: str) -> None:
        form = self._form("/accounts/login/")
        answer = self._ask(
            "POST", "/accounts/login/", form | {"login": email, "password": password}
        )
        assert answer.is_accepted, f"sign-in was answered {answer.status}"
        self._token = self._form(self._page("clusters", "create"))["csrfmiddlewaretoken"]

    def cluster_form(self, name: str, nodes: int = 1) -> dict[str, str]:
        """The filled form; posted twice it is a double submit."""
        fields = self._form(self._page("clusters", "create"))
        return fields | {"name": name, "instance_type": "local.1core", "node_count": str(nodes)}

    def notebook_form(self, name: str) -> dict[str, str]:
        return self._form(self._page("notebooks", "create")) | {"name": name}

    def job_form(
        self, name: str, source: str, command: str, cluster_pk: int | None
    ) -> dict[str, str]:
        """Without a cluster the job gets its own one, of one node."""
        fields = self._form(self._page("jobs", "create"))
        fields |= {"name": name, "source_url": source, "command": command}
        if cluster_pk is None:
            return fields | {"is_new_cluster": "on", "instance_type": "local.1core"}
        return fields | {"cluster": str(cluster_pk)}

    def submit(self, noun: str, form: dict[str, str]) -> Answer:
        """Send the form of "clusters", "notebooks" or "jobs"."""
        return self._ask("POST", self._page(noun, "create"), form)

    def press(self, noun: str, uuid: UUID, button: str) -> Answer:
        """The button of a row or a details page: ``press("clusters", uuid, "remove")``."""
        form = {"csrfmiddlewaretoken": self._token}
        return self._ask("POST", self._page(noun, str(uuid), button), form)

    def open_notebook(self, uuid: UUID) -> str:
        """The address with a ticket, on the notebook's own host."""
        form = urlencode({"csrfmiddlewaretoken": self._token}).encode()
        answer, _ = self._send("POST", self._page("notebooks", str(uuid), "open"), form, URLENCODED)
        assert answer.status == http.client.SEE_OTHER, f"opening was answered {answer.status}"
        return answer.headers["Location"]

    def scale(self, cluster: UUID, nodes: int) -> Answer:
        """By the form on the cluster's page of changes, all else left as it is."""
        path = self._page("clusters", str(cluster), "edit")
        return self._ask("POST", path, self._form(path) | {"node_count": str(nodes)})

    def make_folder(self, name: str) -> Answer:
        form = {"csrfmiddlewaretoken": self._token, "name": name}
        return self._ask("POST", self._page("files", "new-folder"), form)

    def upload(self, folder: str, files: dict[str, bytes], *, replace: bool = False) -> Answer:
        """Contents by name, as a browser without JavaScript sends them."""
        parts = [_part('name="csrfmiddlewaretoken"', self._token.encode())]
        if replace:
            parts.append(_part('name="replace"', b"1"))
        for name, content in files.items():
            parts.append(_part(f'name="files"; filename="{name}"', content))
        parts += [_part('name="complete"', b"1"), f"--{BOUNDARY}--\r\n".encode()]
        path = f"{self._page('files', 'upload')}?{urlencode({'path': folder})}"
        kind = f"multipart/form-data; boundary={BOUNDARY}"
        status, content = self._exchange("POST", path, b"".join(parts), kind)
        return Answer(status, content.decode())

    def download(self, path: str, *, verb: str = "download", part: str = "") -> bytes:
        """A file of the workspace, or a folder with "archive"; ``part`` as in "2-5"."""
        address = f"{self._page('files', verb)}?{urlencode({'path': path})}"
        headers = {"Range": f"bytes={part}"} if part else {}
        status, content = self._exchange("GET", address, headers=headers)
        wanted = http.client.PARTIAL_CONTENT if part else http.client.OK
        assert status == wanted, f"{path} was answered {status}"
        return content

    def invite(self, email: str, role: str) -> Answer:
        form = {"csrfmiddlewaretoken": self._token, "email": email, "role": role}
        return self._ask("POST", self._page("members", "invite"), form)

    def workspace_form(self, organization: str, name: str) -> dict[str, str]:
        return self._form(f"/o/{organization}/workspaces/create/") | {"name": name}

    def create_workspace(self, organization: str, form: dict[str, str]) -> Answer:
        return self._ask("POST", f"/o/{organization}/workspaces/create/", form)

    def remove_workspace(self, uuid: UUID) -> Answer:
        return self._ask("POST", f"/w/{uuid}/remove/", {"csrfmiddlewaretoken": self._token})

    def log(self, job: UUID) -> str:
        """The page of the log as it is now, while the pages are served."""
        answer = self.get_at_last(self._page("jobs", str(job), "log"))
        assert answer.status == http.client.OK, f"the log was answered {answer.status}"
        return answer.text

    def get_at_last(self, path: str, *, timeout: float = 20) -> Answer:
        """Ask again while nobody listens: what serves the pages was killed and comes back."""
        return wait_until(lambda: self._get_or_none(path), timeout=timeout, every=0.1)

    def _get_or_none(self, path: str) -> Answer | None:
        try:
            return self._ask("GET", path)
        except NOBODY_LISTENS:
            return None

    def _page(self, *words: str) -> str:
        return "/".join((self._pages, *words, ""))

    def _form(self, path: str) -> dict[str, str]:
        """The fields of the form that posts to ``path``, as the page has filled them in."""
        answer = self._ask("GET", path)
        assert answer.status == http.client.OK, f"{path} was answered {answer.status}"
        reader = _FormReader(path)
        reader.feed(answer.text)
        return reader.fields

    def _ask(self, method: str, path: str, form: dict[str, str] | None = None) -> Answer:
        if form is None:
            status, content = self._exchange(method, path)
        else:
            body = urlencode(form).encode()
            status, content = self._exchange(method, path, body, URLENCODED)
        return Answer(status, content.decode())

    def _exchange(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        kind: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:
        answer, content = self._send(method, path, body, kind, headers)
        return answer.status, content

    def _send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        kind: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """``kind`` is the media type of the body. Answers status, headers and content."""
        connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_SECONDS)
        cookies = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        sent = {"Cookie": cookies, **(headers or {})}
        if kind:
            sent["Content-Type"] = kind
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        for line in answer.headers.get_all("Set-Cookie", []):
            self._cookies |= {name: found.value for name, found in SimpleCookie(line).items()}
        return answer, content


def _part(name: str, content: bytes) -> bytes:
    head = f"--{BOUNDARY}\r\nContent-Disposition: form-data; {name}\r\n\r\n"
    return head.encode() + content + b"\r\n"


class _FormReader(HTMLParser):
    """Values of the form whose action is ``path``; a select has its first or chosen option's."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path
        self._is_inside = False
        self._select = ""
        self.fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        name = given.get("name", "")
        if tag == "form":
            to = given.get("action", self._path)  # without one a form goes to its own page
            self._is_inside = given.get("method") == "post" and to == self._path
        elif not self._is_inside or "__prefix__" in name:
            return
        elif tag == "input":
            if given.get("type") not in {"checkbox", "radio"} or "checked" in given:
                self.fields[name] = given.get("value", "on" if "checked" in given else "")
        elif tag == "select":
            self._select = name
        elif tag == "option" and ("selected" in given or self._select not in self.fields):
            self.fields[self._select] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._is_inside = False
