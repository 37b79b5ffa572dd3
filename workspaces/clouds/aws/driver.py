"""The AWS provider as the platform sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workspaces.clouds.aws.account import Account, Installation, role_access
from workspaces.clouds.aws.catalogue import Catalogue
from workspaces.clouds.aws.checks import validation
from workspaces.clouds.aws.images import images_of, share_images, unshared_images
from workspaces.clouds.aws.quotas import vcpu_room
from workspaces.clouds.base import BodoVersion, Check, CloudError, InstanceType, Region

REGION_LABELS = {
    "us-east-1": "US East (N. Virginia)",
    "us-east-2": "US East (Ohio)",
    "us-west-1": "US West (N. California)",
    "us-west-2": "US West (Oregon)",
}
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
        self._shared = settings.get("shared_regions", ())
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
        access = role_access(self.installation, self.account)
        for region in self.installation.regions:
            self._catalogue.fetch(access, region)

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

    def share_images(self, region: str) -> str:
        """Share what is not shared; a sentence when all of the region's images are, else "".

        A region without images is told as such: there is nothing to wait for.
        """
        if not (count := share_images(self.installation, self.account, region)):
            return "There are no images in this region."
        if unshared_images(self.installation, self.account, region):
            return ""
        return f"{count} image{'' if count == 1 else 's'} shared with your account."


def region_label(name: str) -> str:
    return f"{name} · {REGION_LABELS[name]}" if name in REGION_LABELS else name
