"""From a configuration's settings to AWS clients.

The platform has credentials of its own (the SDK's default chain: environment, profile, instance
role). With them it does one thing in a customer's account: assume the role that the customer
made for it, always with the External ID of the configuration, so that nobody can make it enter
somebody else's account by entering that account's role (the confused deputy). Sessions of the
role last an hour and renew themselves; no long-lived key of a customer is stored (F015).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.config import Config
from botocore.credentials import (
    CredentialProvider,
    CredentialResolver,
    DeferredRefreshableCredentials,
)
from botocore.loaders import create_loader
from botocore.session import Session

from workspaces.clouds.aws.errors import Who, told
from workspaces.clouds.aws.keys import AccessKeys
from workspaces.clouds.aws.names import account_of
from workspaces.clouds.base import CloudError

Client = Any  # the SDK makes its clients at run time; there are no classes to name

CONNECT_SECONDS = 5
READ_SECONDS = 20
ATTEMPTS = 5
SESSION_NAME = "bodoweb"
SESSION_SECONDS = 3600  # the longest that every role allows
_LOADER = create_loader()  # parsed service models; each session would read megabytes of them anew


@dataclass(frozen=True)
class Installation:
    """What the operator set for all AWS configurations of this installation.

    ``images``: Bodo version to region to image id. ``endpoint_url``: empty is AWS itself.
    """

    regions: tuple[str, ...]
    endpoint_url: str = ""
    platform_account_id: str = ""
    cache_dir: str = ""
    images: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    version_count: int = 3
    settle_seconds: int = 60

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Installation:
        known = {name: settings[name] for name in cls.__dataclass_fields__ if name in settings}
        return cls(**{**known, "regions": tuple(settings["regions"])})


@dataclass(frozen=True)
class Account:
    """One cloud configuration: a role in a customer's account, and where the metadata lies."""

    role_arn: str
    external_id: str
    region: str
    bucket: str
    table: str

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Account:
        return cls(**{name: str(settings.get(name, "")) for name in cls.__dataclass_fields__})

    @property
    def account_id(self) -> str:
        """12 digits, as the role's ARN says; empty when that is no ARN."""
        return account_of(self.role_arn)


class Access:
    """One set of credentials, told apart by ``who`` in error messages; makes clients."""

    def __init__(self, installation: Installation, session: Session, who: Who) -> None:
        self._endpoint_url = installation.endpoint_url
        self._session = session
        self.who = who

    def client(self, service: str, region: str, *, is_launch: bool = False) -> Client:
        """``is_launch``: one attempt. AWS says "no capacity" with a status that the SDK would
        silently repeat five times.
        """
        with told("prepare a call", self.who):
            return self._session.create_client(
                service,
                region_name=region,
                endpoint_url=self._endpoint_url or None,
                config=self._config(1 if is_launch else ATTEMPTS),
            )

    def _config(self, attempts: int) -> Config:
        config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": attempts},
            user_agent_extra="bodoweb",
        )
        if not self._endpoint_url:
            return config
        # Host names are AWS's own way to route; another endpoint knows only its own name.
        return config.merge(Config(inject_host_prefix=False, s3={"addressing_style": "path"}))


def platform_access(installation: Installation) -> Access:
    with told("find its credentials", Who.PLATFORM):
        return Access(installation, _session(), Who.PLATFORM)


def keys_access(installation: Installation, keys: AccessKeys) -> Access:
    """A customer's own keys, for as long as the returned object lives."""
    session = _session()
    session.set_credentials(keys.access_key_id, keys.secret_access_key)
    return Access(installation, session, Who.KEYS)


def role_access(installation: Installation, account: Account) -> Access:
    """Cheap: the role is assumed when the first call is made, and again when a session ends."""
    if not account.external_id:
        raise CloudError("ExternalIdMissing", "A role is never assumed without its External ID.")
    session = _session()
    provider = _RoleProvider(installation, account)
    session.register_component("credential_provider", CredentialResolver([provider]))
    return Access(installation, session, Who.ROLE)


def _session() -> Session:
    session = Session()
    session.register_component("data_loader", _LOADER)
    return session


class _RoleProvider(CredentialProvider):  # type: ignore[misc]  # botocore has no types
    METHOD = "bodoweb-role"

    def __init__(self, installation: Installation, account: Account) -> None:
        super().__init__()
        self._installation = installation
        self._account = account

    def load(self) -> DeferredRefreshableCredentials:
        return DeferredRefreshableCredentials(self._assume, self.METHOD)

    def _assume(self) -> dict[str, str]:
        sts = platform_access(self._installation).client("sts", self._account.region)
        with told("assume the IAM role", Who.PLATFORM):
            answer = sts.assume_role(
                RoleArn=self._account.role_arn,
                RoleSessionName=SESSION_NAME,
                ExternalId=self._account.external_id,
                DurationSeconds=SESSION_SECONDS,
            )["Credentials"]
        return {
            "access_key": answer["AccessKeyId"],
            "secret_key": answer["SecretAccessKey"],
            "token": answer["SessionToken"],
            "expiry_time": answer["Expiration"].isoformat(),
        }


def platform_account_id(installation: Installation) -> str:
    """The account that customers' roles trust (K1, F043): the operator's setting, else what STS
    says of the platform's own credentials. Raises CloudError where there are none.
    """
    if installation.platform_account_id:
        return installation.platform_account_id
    sts = platform_access(installation).client("sts", installation.regions[0])
    with told("find out its own account", Who.PLATFORM):
        return str(sts.get_caller_identity()["Account"])
