from __future__ import annotations

import pytest

from tests.clouds.aws.fixtures import AwsServer


@pytest.fixture
def aws(aws_server: AwsServer) -> AwsServer:
    """Here the strict server, not moto in this process."""
    return aws_server
