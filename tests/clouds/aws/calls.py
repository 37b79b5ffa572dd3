"""Calls by name: which service, which action, what was asked; and the log of them."""

from __future__ import annotations

import fnmatch
import io
import json
import re
import urllib.parse
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from botocore.exceptions import BotoCoreError
from moto.core.routing import get_service_router
from moto.moto_server.werkzeug_app import BackendRequest
from werkzeug.exceptions import HTTPException

# Where the name that a request is signed for is not the name of the boto3 client.
CLIENT_NAMES = {
    "elasticfilesystem": "efs",
    "monitoring": "cloudwatch",
    "servicequotas": "service-quotas",
    "tagging": "resourcegroupstaggingapi",
}
CREDENTIAL = re.compile(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/")


@dataclass
class Call:
    """``name`` is "ec2.RunInstances": boto3's client name and the action."""

    environ: dict[str, Any]
    body: bytes
    access_key: str
    region: str
    service: str
    action: str

    @property
    def name(self) -> str:
        return f"{self.service}.{self.action}"

    @property
    def path(self) -> str:
        return str(self.environ.get("PATH_INFO", ""))

    @property
    def method(self) -> str:
        return str(self.environ["REQUEST_METHOD"])

    @property
    def is_json(self) -> bool:
        return "HTTP_X_AMZ_TARGET" in self.environ

    @property
    def form(self) -> dict[str, str]:
        """The parameters of a query protocol (EC2, IAM, STS)."""
        text = self.body.decode("utf-8", "replace")
        return {name: values[0] for name, values in urllib.parse.parse_qs(text).items()}

    def rewind(self) -> None:
        self.environ["wsgi.input"] = io.BytesIO(self.body)


def read_call(environ: dict[str, Any]) -> Call:
    body = _read_body(environ)
    found = CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    access_key, region, signed_for = found.groups() if found else ("", "", "")
    call = Call(environ, body, access_key, region, CLIENT_NAMES.get(signed_for, signed_for), "")
    call.rewind()
    call.action = _action(call) if signed_for else ""
    call.rewind()
    return call


def _read_body(environ: dict[str, Any]) -> bytes:
    if environ.get("wsgi.input_terminated"):
        body = environ["wsgi.input"].read()
        environ["CONTENT_LENGTH"] = str(len(body))
        return bytes(body)
    length = int(environ.get("CONTENT_LENGTH") or 0)
    return bytes(environ["wsgi.input"].read(length)) if length else b""


def _action(call: Call) -> str:
    if call.is_json:
        return str(call.environ["HTTP_X_AMZ_TARGET"]).rpartition(".")[2]
    if b"Action=" in call.body[:4096]:
        return call.form.get("Action", "")
    try:
        return str(get_service_router(call.service).match(BackendRequest(call.environ))[0].name)
    except (BotoCoreError, HTTPException, LookupError, NotImplementedError):
        # A path that the service's model does not have; the log shows what was asked for.
        return f"{call.method} {call.path}"


@dataclass
class Line:
    number: int
    name: str
    region: str
    status: int = 0  # 0: no answer was sent


class CallLog:
    def __init__(self) -> None:
        self.lines: list[Line] = []

    def begin(self, call: Call) -> Line:
        line = Line(len(self.lines) + 1, call.name, call.region)
        self.lines.append(line)
        return line

    def since(self, cursor: int, pattern: str) -> dict[str, Any]:
        """Calls after ``cursor`` whose name matches, their counts, and the cursor for next time."""
        lines = [
            line for line in self.lines[cursor:] if fnmatch.fnmatchcase(line.name, pattern or "*")
        ]
        return {
            "cursor": len(self.lines),
            "counts": dict(Counter(line.name for line in lines)),
            "calls": [asdict(line) for line in lines],
        }


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()
