"""The AWS provider as the platform sees it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from workspaces.clouds.aws.account import (
    Account,
    Installation,
    keys_access,
    platform_account_id,
    role_access,
)
from workspaces.clouds.aws.catalogue import Catalogue, bundled_on
from workspaces.clouds.aws.checks import validation
from workspaces.clouds.aws.images import images_of, share_images, unshared_images
from workspaces.clouds.aws.keys import AccessKeys, SetupStep
from workspaces.clouds.aws.names import table_arn
from workspaces.clouds.aws.policies import policy_text, user_policy
from workspaces.clouds.aws.quotas import vcpu_room
from workspaces.clouds.aws.setup import Plan, check_role_rights, make_role, run_step
from workspaces.clouds.base import BodoVersion, Check, CloudError, InstanceType, Region

REGION_LABELS = {
    "us-east-1": "US East (N. Virginia)",
    "us-east-2": "US East (Ohio)",
    "us-west-1": "US West (N. California)",
    "us-west-2": "US West (Oregon)",
}
REFRESH_SECONDS = 15  # half of what a task may take
# As long as the last asking ended so, nothing can be started: an empty list says it (F101).
_CREDENTIAL_CODES = {
    "AccessDenied",
    "AccountNotReady",
    "ExternalIdMissing",
    "InvalidKeys",
    "PlatformCredentials",
}


class AwsCloud:
    """``settings``: those of the configuration under those of the installation."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.installation = Installation.of(settings)
        self.account = Account.of(settings)
        shares: Mapping[str, Mapping[str, str]] = settings.get("image_shares", {})
        self._shared = {name for name, row in shares.items() if row["status"] == "FINISHED"}
        self._catalogue = Catalogue(self.installation.cache_dir, self.account.account_id)

    def validate(self) -> list[Check]:
        return validation(self.installation, self.account)

    def notices(self) -> list[str]:
        return []

    def regions(self) -> list[Region]:
        return [Region(name, region_label(name)) for name in self.installation.regions]

    def instance_types(self, region: str) -> list[InstanceType]:
        """Raises CloudError while AWS refuses the credentials of the configuration (F101)."""
        known = self._catalogue.known(region)
        if known.problem and known.problem.code in _CREDENTIAL_CODES:
            raise known.problem
        return [entry.instance_type for entry in known.entries]

    def bodo_versions(self, region: str) -> list[BodoVersion]:
        """Raises CloudError("NoImages") where none was shared with the account (F104)."""
        if not (images := images_of(self.installation, region)):
            raise CloudError(
                "NoImages",
                f"This installation has no Bodo image in {region}: its operator sets"
                " BODO_AWS_IMAGES.",
            )
        if region not in self._shared:
            raise CloudError(
                "NoImages",
                f"The Bodo images in {region} have not been shared with your AWS account yet. See"
                " AMI Share Status in the cloud configuration.",
            )
        newest = list(images)[: self.installation.version_count]
        return [BodoVersion(version, is_installed=True) for version in newest]

    def refresh(self) -> None:
        """The oldest lists first; what does not fit into REFRESH_SECONDS waits for next time."""
        ages = {name: self._catalogue.known(name).fetched_at for name in self.installation.regions}
        deadline = time.monotonic() + REFRESH_SECONDS
        for region in sorted(ages, key=lambda name: ages[name] or 0):
            if time.monotonic() < deadline:
                self.refresh_region(region)

    def refresh_region(self, region: str) -> None:
        self._catalogue.fetch(role_access(self.installation, self.account), region)

    def catalogue_note(self, region: str) -> str:
        """How old the list of instance types is, and why it is not newer."""
        known = self._catalogue.known(region)
        if known.fetched_at is None:
            age = f"a list that came with bodoweb, of {bundled_on()}"
        else:
            hours = int((time.time() - known.fetched_at) / 3600)
            age = f"asked of AWS {hours} h ago" if hours else "asked of AWS within the last hour"
        return f"{age}. {known.problem.message}" if known.problem else f"{age}."

    def platform_account_id(self) -> str:
        """Whom the role must trust (F043). Raises CloudError where nobody knows."""
        return platform_account_id(self.installation)

    def user_policy(self) -> str:
        """Bodo-Platform-User-Policy as JSON text, with what is known of the names (F075)."""
        account = self.account
        table = account.table and table_arn(account.region, account.account_id, account.table)
        regions = self.installation.regions
        return policy_text(user_policy(bucket=account.bucket, table_arn=table, regions=regions))

    def run_setup(self, step: SetupStep, uuid: UUID, keys: AccessKeys) -> str:
        """One step of making bucket, table and role; of ROLE the answer is its ARN."""
        access = keys_access(self.installation, keys)
        return run_step(step, self.installation, access, self._plan(uuid))

    def create_role(self, uuid: UUID, keys: AccessKeys) -> str:
        """Create Role For Me: the role alone; answers its ARN."""
        access, plan = keys_access(self.installation, keys), self._plan(uuid)
        check_role_rights(self.installation, access, plan)
        return make_role(self.installation, access, plan)

    def _plan(self, uuid: UUID) -> Plan:
        account = self.account
        return Plan(uuid, account.external_id, account.region, account.bucket, account.table)

    def check_capacity(self, region: str, instance_type: InstanceType, node_count: int) -> None:
        room = vcpu_room(role_access(self.installation, self.account), region, instance_type.name)
        needed = instance_type.vcpus * node_count
        if room is not None and needed > room:
            raise CloudError(
                "Capacity",
                f"{node_count} of {instance_type.name} need {needed} vCPUs, and the limit of your"
                f" AWS account leaves {room} in {region}. Take fewer or smaller instances, or ask"
                " AWS for more under Service Quotas.",
            )

    def share_images(self, region: str) -> int | None:
        """Share what is not shared yet; how many images the region has, None as long as AWS's
        record of who may launch them does not name the account.
        """
        count = share_images(self.installation, self.account, region)
        return None if unshared_images(self.installation, self.account, region) else count


def region_label(name: str) -> str:
    return f"{name} · {REGION_LABELS[name]}" if name in REGION_LABELS else name
