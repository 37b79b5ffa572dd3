"""``aws_server``: the strict AWS server for tests, one process per session, emptied for each test.

``aws_server.client("ec2")`` is a boto3 client of the platform's account, ``account=CUSTOMER`` of
the customer's; ``aws_server.keys(...)`` makes a user with keys of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[3]
PLATFORM, CUSTOMER = "123456789012", "111122223333"
REGION = "us-east-2"


class AwsServer:
    """The process. ``options`` are those of ``python -m tests.clouds.aws.server``."""

    def __init__(self, *options: str) -> None:
        words = ["-m", "tests.clouds.aws.server", "--stop-with-stdin", *options]
        self._process = subprocess.Popen(
            [sys.executable, *words],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout
        self.port = int(json.loads(self._process.stdout.readline())["port"])
        self.url = f"http://127.0.0.1:{self.port}"
        # Clients are slow to make, and keep nothing that a reset would have to forget.
        self.client = cache(self._client)

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(30)
        assert self._process.stdout
        self._process.stdout.close()

    def _client(
        self,
        service: str,
        *,
        region: str = REGION,
        account: str = PLATFORM,
        keys: tuple[str, str] | tuple[str, str, str] = ("testing", "testing"),
        attempts: int = 1,
    ) -> Any:
        """Without ``keys`` moto takes the account from a header; with them, from the keys."""
        from botocore.config import Config

        retries = {"total_max_attempts": attempts, "mode": "standard"}
        names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
        client = _session().client(
            service,
            region_name=region,
            endpoint_url=self.url,
            config=Config(retries=retries, inject_host_prefix=False, read_timeout=30),
            **dict(zip(names, keys, strict=False)),
        )
        if account != PLATFORM:
            client.meta.events.register("before-call", _for_account(account))
        return client

    def keys(self, name: str, policy: Mapping[str, Any], *, account: str = CUSTOMER) -> Any:
        """A user with these rights; answers its access key and secret key."""
        iam = self.client("iam", account=account)
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=json.dumps(policy))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return key["AccessKeyId"], key["SecretAccessKey"]

    def reset(self) -> None:
        self._ask("POST", "/_reset")

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Change settings (``world.Settings``) until the end of this test."""
        return dict(self._ask("POST", "/_settings", changes))

    def advance(self, seconds: float) -> None:
        """Let time pass at once: phases end, lags are over."""
        self._ask("POST", "/_advance", seconds)

    def faults(self, *faults: Mapping[str, Any]) -> None:
        """Plan faults (``faults``) in place of those planned before."""
        self._ask("POST", "/_faults", list(faults))

    def planned_faults(self) -> list[dict[str, Any]]:
        """With the matching calls seen and hit so far."""
        return list(self._ask("GET", "/_faults"))

    def calls(self, match: str = "*", since: int = 0) -> dict[str, Any]:
        """``counts`` by name, the ``calls`` themselves, and a ``cursor`` for the next ``since``."""
        return dict(self._ask("GET", f"/_calls?since={since}&match={match}"))

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}{path}", data=data, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)


@cache
def _session() -> Any:
    """One for all clients: it keeps the models of the services, which are slow to read."""
    import boto3

    return boto3.Session()


def _for_account(account: str) -> Any:
    def add_header(params: dict[str, Any], **_: Any) -> None:
        params["headers"]["x-moto-account-id"] = account

    return add_header


@pytest.fixture(scope="session")
def aws_process() -> Iterator[AwsServer]:
    server = AwsServer()
    yield server
    server.stop()


@pytest.fixture
def aws_server(aws_process: AwsServer) -> Iterator[AwsServer]:
    yield aws_process
    aws_process.reset()
