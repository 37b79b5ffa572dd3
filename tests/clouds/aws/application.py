"""The WSGI application: names and logs each call, meets faults, then asks moto under one lock.

Its own addresses, without signature: GET /_calls?since=0&match=ec2.*, GET, POST and DELETE
/_faults, GET and POST /_settings, POST /_advance (seconds, see
``Timeline.advance``), POST /_reset.
"""

from __future__ import annotations

import json
import socket
import time
import urllib.parse
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from tests.clouds.aws import roles, rules
from tests.clouds.aws.calls import Call, CallLog, as_json, read_call
from tests.clouds.aws.faults import Fault, Faults, error_answer, expired
from tests.clouds.aws.permissions import as_this_service_says
from tests.clouds.aws.world import world

rules.install()


@dataclass
class Answer:
    status: str
    headers: list[tuple[str, str]]
    body: bytes


class Application:
    def __init__(self) -> None:
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._log = CallLog()
        self._faults = Faults()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        call = read_call(environ)
        control = getattr(self, "_control" + call.path.replace("/", ""), None)
        answer = self._controlled(control, call) if control else self._answer(call)
        start(answer.status, answer.headers)
        return [answer.body]

    def _answer(self, call: Call) -> Answer:
        with world.lock:
            line, fault = self._log.begin(call), self._faults.meet(call)
        answer = self._answer_with(fault, call) if fault else self._ask_moto(call)
        line.status = int(answer.status.split()[0])
        return answer

    def _answer_with(self, fault: Fault, call: Call) -> Answer:
        if fault.kind == "drop_before":
            _drop(call)
        if fault.kind == "drop_after":
            self._ask_moto(call)
            _drop(call)
        if fault.kind == "delay":
            time.sleep(fault.seconds)
            return self._ask_moto(call)
        return _told(*error_answer(call, fault))

    def _ask_moto(self, call: Call) -> Answer:
        sent: list[Any] = []
        with world.lock:
            world.timeline.run_due()
            if roles.has_expired(call.access_key):
                return _told(*error_answer(call, expired(call)))
            parts = self._moto.get_application(call.environ)(
                call.environ, lambda status, headers, _exc=None: sent.extend((status, headers))
            )
            body = b"".join(parts)
        status, headers, body = as_this_service_says(call, sent[0], list(sent[1]), body)
        return Answer(status, headers, body)

    def _controlled(self, control: Callable[[Call], Any], call: Call) -> Answer:
        try:
            with world.lock:
                body, status = as_json(control(call)), "200 OK"
        except (KeyError, TypeError, ValueError) as problem:
            body, status = as_json({"problem": str(problem)}), "400 Bad Request"
        return Answer(status, [("Content-Type", "application/json"), _length(body)], body)

    def _control_calls(self, call: Call) -> Any:
        asked = urllib.parse.parse_qs(call.environ.get("QUERY_STRING", ""))
        return self._log.since(int(asked.get("since", ["0"])[0]), asked.get("match", [""])[0])

    def _control_faults(self, call: Call) -> Any:
        if call.method == "DELETE":
            self._faults.plan([])
        if call.method == "POST":
            self._faults.plan(json.loads(call.body))
        return self._faults.shown()

    def _control_settings(self, call: Call) -> Any:
        if call.method == "POST":
            world.change(json.loads(call.body))
        return world.shown()

    def _control_advance(self, call: Call) -> Any:
        world.timeline.advance(float(json.loads(call.body)))
        return {}

    def _control_reset(self, call: Call) -> Any:
        if call.method != "POST":
            raise ValueError("POST /_reset")
        world.reset()
        BackendDict.reset()
        reset_model_data()
        self._log, self._faults = CallLog(), Faults()
        return {}


def _told(status: int, kind: str, body: bytes) -> Answer:
    return Answer(f"{status} Refused", [("Content-Type", kind), _length(body)], body)


def _length(body: bytes) -> tuple[str, str]:
    return "Content-Length", str(len(body))


def _drop(call: Call) -> None:
    """End the connection without an answer, as a broken network would."""
    try:
        call.environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    finally:
        raise ConnectionAbortedError("a fault was asked for: no answer")
