"""Machine images with Bodo, which belong to the operator, and who may launch them (F062, F063).

A version is offered where its image was shared with the customer's account; AWS's own record of
the launch permission is what counts, read back after it was asked for.
"""

from __future__ import annotations

from workspaces.clouds.aws.account import Account, Client, Installation, platform_access
from workspaces.clouds.aws.errors import Who, told


def images_of(installation: Installation, region: str) -> dict[str, str]:
    """Bodo version to image id in the region, newest version first."""
    found = {
        version: regions[region]
        for version, regions in installation.images.items()
        if region in regions
    }
    return dict(sorted(found.items(), key=lambda row: version_key(row[0]), reverse=True))


def version_key(version: str) -> tuple[int, ...]:
    """ "2026.10.1" is (2026, 10, 1): newer than 2026.9."""
    return tuple(int(part) if part.isdecimal() else 0 for part in version.split("."))


def share_images(installation: Installation, account: Account, region: str) -> int:
    """Let the account launch the region's images, and read it back; how many there are.

    Sharing again changes nothing. Raises CloudError as the operator's account answers.
    """
    images = images_of(installation, region)
    if not images:
        return 0
    ec2 = platform_access(installation).client("ec2", region)
    for image in images.values():
        with told(f"share the image {image} in {region}", Who.PLATFORM):
            if not _is_shared(ec2, image, account.account_id):
                ec2.modify_image_attribute(
                    ImageId=image, LaunchPermission={"Add": [{"UserId": account.account_id}]}
                )
    return len(images)


def unshared_images(installation: Installation, account: Account, region: str) -> list[str]:
    """Those of the region that AWS's record does not let the account launch (yet)."""
    images = images_of(installation, region)
    if not images:
        return []
    ec2 = platform_access(installation).client("ec2", region)
    with told(f"read who may launch the images in {region}", Who.PLATFORM):
        return [id for id in images.values() if not _is_shared(ec2, id, account.account_id)]


def _is_shared(ec2: Client, image: str, account_id: str) -> bool:
    """Also when it is public, or the account's own, which needs no permission."""
    images = ec2.describe_images(ImageIds=[image])["Images"]
    if any(row["OwnerId"] == account_id or row.get("Public") for row in images):
        return True
    answer = ec2.describe_image_attribute(ImageId=image, Attribute="launchPermission")
    permissions = answer.get("LaunchPermissions", [])
    return any(row.get("UserId") == account_id for row in permissions)
