"""Run Command of Systems Manager: commands are run, on each node, by a real shell.

Plain moto answers Success, exit code 0 and no output without running anything, for any instance
and any document, and cannot cancel or list. Here a command needs a running instance whose profile
lets its agent register, ends as its shell ends, and shows 24,000 characters of its output once it
has ended. A command whose node is gone stays InProgress until its time is over: nobody reports.
Not proved: the agent, delivery times, rate limits, documents other than AWS-RunShellScript.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.core.utils import utcnow
from moto.ec2.models import ec2_backends
from moto.iam.models import iam_backends
from moto.s3.models import s3_backends
from moto.ssm.responses import SimpleSystemManagerResponse

from tests.clouds.aws.moto_hooks import Proceed, Refusal, adds, around
from tests.clouds.aws.nodes import Node, node_of, profile_role
from tests.clouds.aws.permissions import policies_of_role
from tests.clouds.aws.policies import decide
from tests.clouds.aws.world import world

OUTPUT, ERRORS, LISTED = 24_000, 8_000, 2_500
DOCUMENT, PLUGIN = "AWS-RunShellScript", "aws:runShellScript"
OPEN = ("Pending", "InProgress", "Cancelling")
INSTANCES_PER_COMMAND = 50


@dataclass
class Invocation:
    """One command on one node. Changed only under the world's lock."""

    command: Command
    node: Node
    status: str = "Pending"
    code: int = -1
    output: str = ""
    errors: str = ""
    begun_at: datetime | None = None
    ended_at: datetime | None = None
    process: subprocess.Popen[bytes] | None = None

    def end(self, status: str, code: int = -1) -> None:
        if self.status in OPEN:
            self.status, self.code, self.ended_at = status, code, utcnow()


@dataclass
class Command:
    request: dict[str, Any]
    account: str
    region: str
    identity: str = field(default_factory=lambda: str(uuid.uuid4()))
    sent_at: datetime = field(default_factory=utcnow)
    sent: float = field(default_factory=world.timeline.now)
    invocations: dict[str, Invocation] = field(default_factory=dict)

    def parameter(self, name: str, default: str) -> str:
        return str((self.request.get("Parameters", {}).get(name) or [default])[0])

    @property
    def seconds(self) -> float:
        return float(self.parameter("executionTimeout", "3600"))

    @property
    def status(self) -> str:
        found = {invocation.status for invocation in self.invocations.values()}
        worst = ("InProgress", "Pending", "Cancelling", "TimedOut", "Failed", "Cancelled")
        return next((status for status in worst if status in found), "Success")

    @property
    def lines(self) -> str:
        return "\n".join(self.request["Parameters"]["commands"])


_commands: dict[str, Command] = {}
world.on_reset(_commands.clear)


@around(SimpleSystemManagerResponse, "send_command")
def send_command(request: Any, _proceed: Proceed) -> ActionResult:
    asked = dict(json.loads(request.body))
    if asked["DocumentName"] != DOCUMENT:
        raise Refusal("InvalidDocument", f"Document {asked['DocumentName']} does not exist.")
    if not asked.get("Parameters", {}).get("commands"):
        raise Refusal("InvalidParameters", "commands is required")
    backend = ec2_backends[request.current_account][request.region]
    instances = _reachable(backend, asked)
    command = Command(asked, request.current_account, request.region)
    _commands[command.identity] = command
    for instance in instances:
        invocation = Invocation(command, node_of(instance))
        command.invocations[instance.id] = invocation
        threading.Thread(target=_run, args=(invocation,), daemon=True).start()
    return ActionResult({"Command": _told(command)})


def _reachable(backend: Any, asked: dict[str, Any]) -> list[Any]:
    """:raises Refusal: an instance that was named is not registered."""
    online = {instance.id: instance for instance in _online(backend)}
    ids = list(asked.get("InstanceIds", []))
    if len(ids) > INSTANCES_PER_COMMAND:
        raise Refusal("ValidationException", "Member must have length less than or equal to 50")
    for target in asked.get("Targets", []):
        if target["Key"] == "InstanceIds":
            ids += target["Values"]
        else:
            ids += [one.id for one in online.values() if _has_tag(one, target)]
    if missing := [one for one in ids if one not in online]:
        raise Refusal("InvalidInstanceId", f"Instances {missing} not in a valid state for account")
    return [online[one] for one in dict.fromkeys(ids)]


def _has_tag(instance: Any, target: dict[str, Any]) -> bool:
    tags = {f"tag:{tag['key']}": tag["value"] for tag in instance.get_tags()}
    return tags.get(target["Key"]) in target["Values"]


def _online(backend: Any) -> list[Any]:
    """Running instances whose profile lets the agent register."""
    return [
        instance
        for reservation in backend.reservations.values()
        for instance in reservation.instances
        if instance.state == "running" and _may_register(instance)
    ]


def _may_register(instance: Any) -> bool:
    role = profile_role(instance)
    if role is None:
        return False
    documents = policies_of_role(iam_backends[instance.owner_id]["aws"], role.name)
    right = "ssm:UpdateInstanceInformation"
    return decide(documents, right, "*", None).decision == "allowed"


def _run(invocation: Invocation) -> None:
    """In a thread of its own: run, wait, and report."""
    command, node = invocation.command, invocation.node
    folder = node.root / "ssm" / command.identity
    with world.lock:
        if invocation.status != "Pending" or not node.alive:
            return
        folder.mkdir(parents=True, exist_ok=True)
        invocation.status, invocation.begun_at = "InProgress", utcnow()
        try:
            process = invocation.process = _shell(invocation, folder)
        except OSError as problem:
            invocation.errors = str(problem)
            invocation.end("Failed", 1)
            return
    try:
        code = process.wait(command.seconds)
        status = "Success" if code == 0 else "Failed"
    except subprocess.TimeoutExpired:
        _kill(process)
        code, status = process.wait(), "TimedOut"
    with world.lock:
        if not node.alive:
            world.timeline.after(command.seconds, lambda: invocation.end("TimedOut"))
            return
        _report(invocation, folder, status, code)


def _shell(invocation: Invocation, folder: Path) -> subprocess.Popen[bytes]:
    script = folder / "script.sh"
    script.write_text(invocation.command.lines + "\n")
    where = invocation.command.parameter("workingDirectory", str(invocation.node.root))
    with (folder / "stdout").open("wb") as output, (folder / "stderr").open("wb") as errors:
        return invocation.node.popen(
            ["/bin/sh", str(script)], cwd=where, stdout=output, stderr=errors
        )


def _kill(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _report(invocation: Invocation, folder: Path, status: str, code: int) -> None:
    output = (folder / "stdout").read_text(errors="replace")
    errors = (folder / "stderr").read_text(errors="replace")
    if code and status == "Failed":
        errors += f"failed to run commands: exit status {code}"
    invocation.output, invocation.errors = output[:OUTPUT], errors[:ERRORS]
    cancelled = invocation.status == "Cancelling"
    invocation.end("Cancelled" if cancelled else status, code if code >= 0 else 128 - code)
    if bucket := invocation.command.request.get("OutputS3BucketName"):
        _store(invocation, bucket, {"stdout": output, "stderr": errors})


def _store(invocation: Invocation, bucket: str, texts: dict[str, str]) -> None:
    command = invocation.command
    prefix = command.request.get("OutputS3KeyPrefix")
    place = f"{command.identity}/{invocation.node.instance.id}/awsrunShellScript"
    for name, text in texts.items():
        key = "/".join(filter(None, [prefix, place, "0.awsrunShellScript", name]))
        if text:
            s3_backends[command.account]["aws"].put_object(bucket, key, text.encode())


@around(SimpleSystemManagerResponse, "get_command_invocation")
def get_command_invocation(request: Any, _proceed: Proceed) -> ActionResult:
    command = _commands.get(request._get_param("CommandId"))
    found = command.invocations.get(request._get_param("InstanceId")) if command else None
    lag = world.settings.invocation_lag_seconds
    if found is None or world.timeline.now() < found.command.sent + lag:
        raise Refusal("InvocationDoesNotExist", "The command ID and instance ID are unknown.")
    return ActionResult(
        {
            **_invocation(found),
            "PluginName": PLUGIN,
            "ResponseCode": found.code,
            "ExecutionStartDateTime": found.begun_at.isoformat() if found.begun_at else "",
            "ExecutionEndDateTime": found.ended_at.isoformat() if found.ended_at else "",
            "StandardOutputContent": found.output,
            "StandardErrorContent": found.errors,
        }
    )


def _invocation(found: Invocation) -> dict[str, Any]:
    return {
        "CommandId": found.command.identity,
        "InstanceId": found.node.instance.id,
        "Comment": found.command.request.get("Comment", ""),
        "DocumentName": DOCUMENT,
        "Status": found.status,
        "StatusDetails": found.status,
    }


def _told(command: Command) -> dict[str, Any]:
    states = [invocation.status for invocation in command.invocations.values()]
    return {
        "CommandId": command.identity,
        "DocumentName": DOCUMENT,
        "Comment": command.request.get("Comment", ""),
        "Parameters": command.request["Parameters"],
        "InstanceIds": list(command.invocations),
        "RequestedDateTime": command.sent_at,
        "Status": command.status,
        "StatusDetails": command.status,
        "TargetCount": len(states),
        "CompletedCount": sum(state not in OPEN for state in states),
        "ErrorCount": sum(state in ("Failed", "TimedOut") for state in states),
    }


def _mine(request: Any) -> list[Command]:
    wanted = request._get_param("CommandId")
    return [
        command
        for command in _commands.values()
        if (command.account, command.region) == (request.current_account, request.region)
        and wanted in (None, command.identity)
    ]


@around(SimpleSystemManagerResponse, "list_commands")
def list_commands(request: Any, _proceed: Proceed) -> ActionResult:
    instance = request._get_param("InstanceId")
    found = [one for one in _mine(request) if instance in (None, *one.invocations)]
    return ActionResult({"Commands": [_told(command) for command in found]})


@adds(SimpleSystemManagerResponse)
def list_command_invocations(request: Any) -> ActionResult:
    instance = request._get_param("InstanceId")
    found = [
        invocation
        for command in _mine(request)
        for name, invocation in command.invocations.items()
        if instance in (None, name)
    ]
    return ActionResult(
        {"CommandInvocations": [_listed(one, request._get_param("Details")) for one in found]}
    )


def _listed(found: Invocation, details: object) -> dict[str, Any]:
    told = {**_invocation(found), "RequestedDateTime": found.command.sent_at}
    if not details:
        return told
    plugin = {
        "Name": PLUGIN,
        "Status": found.status,
        "StatusDetails": found.status,
        "ResponseCode": found.code,
        "Output": (found.output + found.errors)[:LISTED],
    }
    return {**told, "CommandPlugins": [plugin]}


@adds(SimpleSystemManagerResponse)
def cancel_command(request: Any) -> EmptyResult:
    found = _mine(request)
    if not found:
        raise Refusal("InvalidCommandId", "The command ID is unknown.")
    wanted = request._get_param("InstanceIds") or list(found[0].invocations)
    for name, invocation in found[0].invocations.items():
        if name not in wanted or invocation.status not in OPEN:
            continue
        if invocation.process is None:
            invocation.end("Cancelled")
        else:
            invocation.status = "Cancelling"
            _kill(invocation.process)
    return EmptyResult()


@adds(SimpleSystemManagerResponse)
def describe_instance_information(request: Any) -> ActionResult:
    backend = ec2_backends[request.current_account][request.region]
    found = [one for one in _online(backend) if _passes(request, one)]
    start = int(request._get_param("NextToken") or 0)
    end = start + int(request._get_param("MaxResults") or 10)
    page: dict[str, Any] = {"InstanceInformationList": [_agent(one) for one in found[start:end]]}
    return ActionResult({**page, "NextToken": str(end)} if end < len(found) else page)


def _passes(request: Any, instance: Any) -> bool:
    for wanted in request._get_param("Filters") or []:
        key, values = wanted["Key"], wanted["Values"]
        known = {"InstanceIds": instance.id, "PingStatus": "Online", "PlatformTypes": "Linux"}
        if known.get(key) not in values and not _has_tag(instance, wanted):
            return False
    return True


def _agent(instance: Any) -> dict[str, Any]:
    return {
        "InstanceId": instance.id,
        "PingStatus": "Online",
        "LastPingDateTime": utcnow(),
        "AgentVersion": "3.3.0.0",
        "PlatformType": "Linux",
        "ResourceType": "EC2Instance",
        "IPAddress": instance.private_ip,
        "ComputerName": instance.private_dns_name,
    }
