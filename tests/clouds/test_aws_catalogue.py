from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.clouds.aws_rules import CUSTOMER, Aws
from tests.clouds.aws_samples import ACCOUNT, REGION, REGIONS, make_all
from workspaces.clouds.aws.catalogue import Catalogue, bundled, bundled_on
from workspaces.clouds.aws.driver import AwsCloud
from workspaces.clouds.aws.quotas import HPC_QUOTA, VCPU_QUOTA, vcpu_quota
from workspaces.clouds.base import CloudError, InstanceType

C5 = InstanceType("c5.4xlarge", vcpus=16, cores=8, memory_mib=32768)


def _cloud(folder: Path, **settings: Any) -> AwsCloud:
    account = {name: getattr(ACCOUNT, name) for name in type(ACCOUNT).__dataclass_fields__}
    return AwsCloud({"regions": REGIONS, "cache_dir": str(folder), **account, **settings})


def test_before_the_first_answer_the_bundled_list_serves(tmp_path: Path) -> None:
    kinds = _cloud(tmp_path).instance_types(REGION)

    by_name = {kind.name: kind for kind in kinds}
    assert by_name["c5.4xlarge"].cores == 8
    assert by_name["c5.4xlarge"].vcpus == 16
    assert by_name["c5n.18xlarge"].has_efa
    assert date.fromisoformat(bundled_on())


def test_bundled_list_differs_by_region() -> None:
    everywhere = {region: {entry.name for entry in bundled(region)} for region in REGIONS}

    assert "hpc6a.48xlarge" in everywhere["us-east-2"]
    assert "hpc6a.48xlarge" not in everywhere["us-west-1"]


def test_answer_of_aws_is_kept_with_its_age_and_zones(aws: Aws, tmp_path: Path) -> None:
    make_all(aws)
    cloud = _cloud(tmp_path, regions=[REGION])

    cloud.refresh()

    known = Catalogue(str(tmp_path), CUSTOMER).known(REGION)
    largest = next(entry for entry in known.entries if entry.name == "c5n.18xlarge")
    assert known.fetched_at
    assert (largest.cores, largest.vcpus, largest.has_efa) == (36, 72, True)
    assert "cluster" in largest.strategies
    assert set(largest.zones) <= {"us-east-2a", "us-east-2b", "us-east-2c"}
    assert largest.zones
    assert len(cloud.instance_types(REGION)) > len(bundled(REGION))


def test_refused_credentials_empty_the_list_and_say_why(aws: Aws, tmp_path: Path) -> None:
    cloud = _cloud(tmp_path, regions=[REGION])

    cloud.refresh()

    with pytest.raises(CloudError) as raised:
        cloud.instance_types(REGION)
    assert raised.value.code == "AccessDenied"
    assert "assume the IAM role" in raised.value.message


def test_list_comes_back_with_the_credentials(aws: Aws, tmp_path: Path) -> None:
    cloud = _cloud(tmp_path, regions=[REGION])
    cloud.refresh()
    make_all(aws)

    cloud.refresh()

    assert cloud.instance_types(REGION)


def test_spoiled_file_is_as_good_as_none(tmp_path: Path) -> None:
    folder = tmp_path / "instance-types" / CUSTOMER
    folder.mkdir(parents=True)
    (folder / f"{REGION}.json").write_text("{")

    assert _cloud(tmp_path).instance_types(REGION)


def test_room_for_nodes_follows_the_limit_of_the_account(aws: Aws, tmp_path: Path) -> None:
    make_all(aws)
    cloud = _cloud(tmp_path)

    cloud.check_capacity(REGION, C5, 4)
    with pytest.raises(CloudError) as raised:
        cloud.check_capacity(REGION, C5, 5)

    assert raised.value.code == "Capacity"
    assert "80 vCPUs" in raised.value.message
    assert "leaves 64" in raised.value.message


@pytest.mark.parametrize(
    ("name", "quota"),
    [
        ("c5.large", VCPU_QUOTA),
        ("r6i.large", VCPU_QUOTA),
        ("hpc7a.96xlarge", HPC_QUOTA),
        ("p4d.24xlarge", None),
        ("inf2.xlarge", None),
        ("trn1.2xlarge", None),
    ],
)
def test_each_kind_of_machine_counts_for_its_own_limit(name: str, quota: object) -> None:
    assert vcpu_quota(name) == quota


@pytest.fixture
def images(aws: Aws) -> Mapping[str, Mapping[str, str]]:
    import boto3

    found = {}
    for version in ("2026.9", "2026.10"):
        image = boto3.client("ec2", region_name=REGION).register_image(
            Name=f"bodo-{version}", RootDeviceName="/dev/sda1", Architecture="x86_64"
        )["ImageId"]
        found[version] = {REGION: image}
    return found


def test_images_are_shared_and_the_permission_is_read_back(
    aws: Aws, tmp_path: Path, images: Mapping[str, Mapping[str, str]]
) -> None:
    import boto3

    count = _cloud(tmp_path, images=images).share_images(REGION)

    attribute = boto3.client("ec2", region_name=REGION).describe_image_attribute(
        ImageId=images["2026.10"][REGION], Attribute="launchPermission"
    )
    assert count == 2
    assert [row["UserId"] for row in attribute["LaunchPermissions"]] == [CUSTOMER]


def test_image_that_is_not_the_operators_is_told(aws: Aws, tmp_path: Path) -> None:
    cloud = _cloud(tmp_path, images={"2026.10": {REGION: "ami-0123456789abcdef0"}})

    with pytest.raises(CloudError) as raised:
        cloud.share_images(REGION)

    assert raised.value.code == "NotFound"


def test_newest_versions_are_offered_where_their_images_are_shared(tmp_path: Path) -> None:
    names = ("2026.9", "2026.10", "2026.8.1", "2025.12")
    images = {name: {REGION: f"ami-{n}"} for n, name in enumerate(names)}

    offered = _cloud(
        tmp_path, images=images, image_shares={REGION: {"status": "FINISHED"}}
    ).bodo_versions(REGION)

    assert [version.version for version in offered] == ["2026.10", "2026.9", "2026.8.1"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "its operator sets BODO_AWS_IMAGES"),
        ({"images": {"2026.10": {REGION: "ami-1"}}}, "AMI Share Status"),
    ],
)
def test_empty_list_of_versions_says_why(tmp_path: Path, given: dict[str, Any], words: str) -> None:
    with pytest.raises(CloudError, match=words):
        _cloud(tmp_path, **given).bodo_versions(REGION)
