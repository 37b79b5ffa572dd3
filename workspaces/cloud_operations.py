"""The steps that make a linked cloud account ready for use."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from workspaces.clouds.base import CloudError
from workspaces.models import CloudConfiguration, Operation
from workspaces.operations.registry import Done, Outcome, Step, Wait, handles
from workspaces.services import cloud_of, image_share_record

if TYPE_CHECKING:
    from workspaces.clouds.aws.driver import AwsCloud

FINISHED, FAILED = Operation.Status.FINISHED.value, Operation.Status.FAILED.value
NO_IMAGES = "NO IMAGES"
SETTLE_SECONDS = 5


@handles("cloud_configuration.prepare")
def prepare_cloud_configuration(step: Step) -> Outcome:
    """The phase is a region: share its images, read that back (F062), list its instance types."""
    configuration = CloudConfiguration.objects.get(uuid=step.operation.target_uuid)
    cloud = cast("AwsCloud", cloud_of(configuration))
    regions = [region.name for region in cloud.regions()]
    region = step.operation.phase if step.operation.phase in regions else regions[0]
    number = regions.index(region)
    percent = 100 * number // len(regions)
    if not _share(configuration, cloud, region):
        return Wait(SETTLE_SECONDS, percent, f"Waiting for the images in {region}", region)
    cloud.refresh_region(region)
    if number + 1 < len(regions):
        return Wait(0.2, percent, f"Prepared {region}", regions[number + 1])
    return _told(configuration, len(regions))


def _share(configuration: CloudConfiguration, cloud: AwsCloud, region: str) -> bool:
    """False while AWS's own record does not show it yet. A refusal ends this region alone."""
    try:
        count = cloud.share_images(region)
    except CloudError as error:
        if error.retryable:
            raise
        status, message = FAILED, error.message
    else:
        if count is None:
            return False
        status = FINISHED if count else NO_IMAGES
        message = f"{count} image{'' if count == 1 else 's'}" if count else ""
    image_share_record(configuration=configuration, region=region, status=status, message=message)
    return True


def _told(configuration: CloudConfiguration, count: int) -> Done:
    shares: dict[str, dict[str, str]] = configuration.settings["image_shares"]
    failed = [row["message"] for row in shares.values() if row["status"] == FAILED]
    if failed:
        raise CloudError("ImagesNotShared", failed[0])
    return Done(f"Prepared {count} regions")
