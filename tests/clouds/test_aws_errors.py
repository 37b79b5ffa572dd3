from __future__ import annotations

import logging

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError

from workspaces.clouds.aws.errors import Who, cloud_error, told
from workspaces.clouds.base import CloudError

URL = "https://ec2.us-east-2.amazonaws.com"


def _answered(code: str, status: int, message: str = "") -> ClientError:
    return ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": status},
        },
        "CreateRole",
    )


@pytest.mark.parametrize(
    ("code", "status", "ours", "is_retryable"),
    [
        ("InvalidClientTokenId", 403, "InvalidKeys", False),
        ("InvalidAccessKeyId", 403, "InvalidKeys", False),
        ("SignatureDoesNotMatch", 403, "InvalidKeys", False),
        ("AuthFailure", 401, "InvalidKeys", False),
        ("UnrecognizedClientException", 400, "InvalidKeys", False),
        ("401", 401, "InvalidKeys", False),
        ("ExpiredToken", 400, "CredentialsExpired", True),
        ("ExpiredTokenException", 400, "CredentialsExpired", True),
        ("RequestTimeTooSkewed", 403, "Clock", False),
        ("RequestExpired", 400, "Clock", False),
        ("AccessDenied", 403, "AccessDenied", False),
        ("AccessDeniedException", 400, "AccessDenied", False),
        ("UnauthorizedOperation", 403, "AccessDenied", False),
        ("com.amazon.coral.service#AccessDeniedException", 400, "AccessDenied", False),
        ("403", 403, "AccessDenied", False),
        ("OptInRequired", 401, "AccountNotReady", False),
        ("PendingVerification", 400, "AccountNotReady", False),
        ("Throttling", 400, "Throttled", True),
        ("RequestLimitExceeded", 503, "Throttled", True),
        ("SlowDown", 503, "Throttled", True),
        ("503", 503, "Throttled", True),
        ("InsufficientInstanceCapacity", 500, "Capacity", False),
        ("SpotMaxPriceTooLow", 400, "Capacity", False),
        ("VcpuLimitExceeded", 400, "Quota", False),
        ("VpcLimitExceeded", 400, "Quota", False),
        ("AddressLimitExceeded", 400, "Quota", False),
        ("FileSystemLimitExceeded", 403, "Quota", False),
        ("ServiceQuotaExceededException", 402, "Quota", False),
        ("Unsupported", 400, "Unsupported", False),
        ("DependencyViolation", 400, "InUse", True),
        ("InvalidPlacementGroup.InUse", 400, "InUse", True),
        ("FileSystemInUse", 409, "InUse", True),
        ("IncorrectInstanceState", 400, "InUse", True),
        ("NoSuchBucket", 404, "NotFound", False),
        ("NoSuchEntity", 404, "NotFound", False),
        ("ResourceNotFoundException", 400, "NotFound", False),
        ("InvalidVpcID.NotFound", 400, "NotFound", False),
        ("InvalidPlacementGroup.Unknown", 400, "NotFound", False),
        ("404", 404, "NotFound", False),
        ("EntityAlreadyExists", 409, "AlreadyExists", False),
        ("BucketAlreadyExists", 409, "AlreadyExists", False),
        ("InvalidGroup.Duplicate", 400, "AlreadyExists", False),
        ("FileSystemAlreadyExists", 409, "AlreadyExists", False),
        ("ConditionalCheckFailedException", 400, "Conflict", True),
        ("PreconditionFailed", 412, "Conflict", True),
        ("OperationAborted", 409, "Conflict", True),
        ("IdempotentParameterMismatch", 400, "Rejected", False),
        ("MalformedPolicyDocument", 400, "Rejected", False),
        ("InvalidParameterValue", 400, "Rejected", False),
        ("ValidationException", 400, "Rejected", False),
        ("InternalError", 500, "AwsFailed", True),
        ("500", 500, "AwsFailed", True),
        ("ABrandNewFailure", 502, "AwsFailed", True),
        ("ABrandNewRefusal", 400, "Refused", False),
    ],
)
def test_each_code_of_aws_has_its_own_word(
    code: str, status: int, ours: str, is_retryable: bool
) -> None:
    told_error = cloud_error(_answered(code, status), "create the role")

    assert (told_error.code, told_error.retryable) == (ours, is_retryable)
    assert told_error.message.endswith(".")
    assert "create the role" in told_error.message or ours == "InvalidKeys"
    assert "unknown" not in told_error.message.lower().replace(code.lower(), "")


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (EndpointConnectionError(endpoint_url=URL), "Unreachable"),
        (ConnectTimeoutError(endpoint_url=URL), "Unreachable"),
        (ReadTimeoutError(endpoint_url=URL), "Unreachable"),
        (ResponseParserError("<html>boom</html>"), "AwsFailed"),
        (NoCredentialsError(), "PlatformCredentials"),
        (ParamValidationError(report="bad"), "Rejected"),
    ],
)
def test_no_answer_at_all_is_told_too(error: Exception, ours: str) -> None:
    with pytest.raises(CloudError) as raised, told("look at the bucket"):
        raise error

    assert raised.value.code == ours


def test_the_denied_right_is_named() -> None:
    text = "User: arn:aws:iam::1:user/ada is not authorized to perform: iam:CreateRole on resource"

    error = cloud_error(_answered("AccessDenied", 403, text), "create the role", Who.KEYS)

    assert "iam:CreateRole is denied" in error.message
    assert "manually" in error.message
    assert "ada" not in error.message


def test_bad_keys_are_told_in_the_words_of_the_documents() -> None:
    error = cloud_error(_answered("InvalidClientTokenId", 403), "look", Who.KEYS)

    assert error.message.startswith("Provided access keys are not valid.")


def test_what_aws_says_reaches_neither_log_nor_traceback(caplog: pytest.LogCaptureFixture) -> None:
    text = "Credential=AKIASOMEBODY0000 the String-to-Sign was SECRETSIGNATURE"

    with caplog.at_level(logging.DEBUG), pytest.raises(CloudError) as raised, told("look"):
        raise _answered("IncompleteSignature", 400, text)
    logging.getLogger("test").error("told", exc_info=raised.value)

    assert "AKIASOMEBODY0000" not in caplog.text
    assert "SECRETSIGNATURE" not in caplog.text
