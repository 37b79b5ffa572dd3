"""What AWS answers, told as a CloudError with a code and a sentence of its own.

Every call to AWS happens under ``told("do what")``. Codes are looked up first, then their
endings, then the HTTP status: DynamoDB and HEAD requests give the status where others give a
code. AWS's own text never goes on: it may carry an access key or a signature.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
)
from botocore.parsers import ResponseParserError

from workspaces.clouds.base import CloudError

logger = logging.getLogger(__name__)

SERVER_ERROR = 500  # this status and above: AWS's own trouble
_DENIED = re.compile(r"not authorized to perform:? ([a-z0-9-]+:[A-Za-z]+)")


class Who(StrEnum):
    """Whose credentials the call was made with, as a sentence begins with them."""

    KEYS = "The provided access keys"
    ROLE = "The IAM role of this cloud configuration"
    PLATFORM = "The platform's own AWS credentials"


@dataclass(frozen=True)
class _Answer:
    """``sentence`` may use {who}, {action} ("create the bucket"), {denied} and {code}."""

    code: str
    sentence: str
    is_retryable: bool = False


_WAYS_OUT = {
    Who.KEYS: "Enter the keys of an IAM user that has them, or set the resources up manually.",
    Who.ROLE: "Put the current policy of the cloud configuration on the role.",
    Who.PLATFORM: "Tell the operator of this installation.",
}
_BAD_KEYS = {
    Who.KEYS: "Provided access keys are not valid. Check both, and that they are active in the IAM"
    " console.",
    Who.ROLE: "AWS does not accept the session of the IAM role. Validate the cloud configuration.",
    Who.PLATFORM: "AWS does not accept the platform's own credentials. Tell the operator of this"
    " installation.",
}

_KEYS = _Answer("InvalidKeys", "{bad_keys}")
_NONE = _Answer(
    "PlatformCredentials",
    "The platform has no AWS credentials of its own, so it can not {action}. Its operator gives"
    " them to it as usual for AWS: environment, profile or instance role.",
)
_EXPIRED = _Answer(
    "CredentialsExpired",
    "The AWS session ended while the platform tried to {action}. It opens a new one.",
    is_retryable=True,
)
_CLOCK = _Answer(
    "Clock",
    "AWS refused to {action}: the clock of the platform is wrong by more than five minutes. Tell"
    " the operator of this installation.",
)
_DENIAL = _Answer("AccessDenied", "{who} may not {action}: {denied} is denied. {way_out}")
_ACCOUNT = _Answer(
    "AccountNotReady",
    "AWS has not activated this service for the account yet, so the platform can not {action}."
    " Finish the sign-up of the account in the AWS console.",
)
_THROTTLE = _Answer(
    "Throttled", "AWS asked for a pause while the platform tried to {action}.", is_retryable=True
)
_CAPACITY = _Answer(
    "Capacity",
    "AWS has too few machines of this kind now, so it could not {action}. Try later, or choose"
    " another instance type or region.",
)
_QUOTA = _Answer(
    "Quota",
    "A limit of the AWS account is reached ({code}), so the platform can not {action}. Remove what"
    " is not needed, or ask AWS for more under Service Quotas.",
)
_UNSUPPORTED = _Answer(
    "Unsupported",
    "AWS does not offer this here, so it could not {action}. Choose another instance type or"
    " region.",
)
_IN_USE = _Answer(
    "InUse",
    "AWS could not {action} while something else still uses it ({code}).",
    is_retryable=True,
)
_GONE = _Answer("NotFound", "AWS could not {action}: it does not exist ({code}).")
_EXISTS = _Answer("AlreadyExists", "AWS could not {action}: one of that name exists ({code}).")
_CONFLICT = _Answer(
    "Conflict",
    "AWS could not {action} because something else changed it at the same moment.",
    is_retryable=True,
)
_REJECTED = _Answer("Rejected", "AWS did not accept the values to {action} ({code}).")
_FAILED = _Answer(
    "AwsFailed",
    "AWS had a failure of its own ({code}) while the platform tried to {action}.",
    is_retryable=True,
)
_UNREACHABLE = _Answer(
    "Unreachable",
    "AWS did not answer when the platform tried to {action}. Look at the network of the platform"
    " and at the AWS status page.",
    is_retryable=True,
)
_GARBLED = _Answer(
    "AwsFailed",
    "The answer of AWS could not be read when the platform tried to {action}.",
    is_retryable=True,
)
_REFUSED = _Answer("Refused", "AWS refused to {action}; its reason is {code}.")

_BY_CODE = {
    code: answer
    for answer, codes in {
        _KEYS: (
            "AuthFailure IncompleteSignature IncompleteSignatureException InvalidAccessKeyId"
            " InvalidClientTokenId InvalidSignatureException InvalidToken"
            " MissingAuthenticationToken MissingAuthenticationTokenException"
            " NotAuthorized SignatureDoesNotMatch UnrecognizedClientException"
        ),
        _EXPIRED: "ExpiredToken ExpiredTokenException TokenRefreshRequired",
        _CLOCK: "RequestExpired RequestInTheFuture RequestTimeTooSkewed",
        _DENIAL: (
            "AccessDenied AccessDeniedException AllAccessDisabled AuthorizationError Forbidden"
            " UnauthorizedAccess UnauthorizedOperation"
        ),
        _ACCOUNT: "Blocked InvalidPaymentInstrument OptInRequired PendingVerification"
        " SubscriptionRequiredException",
        _THROTTLE: (
            "BandwidthLimitExceeded EC2ThrottledException LimitExceededException"
            " PriorRequestNotComplete ProvisionedThroughputExceededException RequestLimitExceeded"
            " RequestThrottled RequestThrottledException SlowDown ThrottledException Throttling"
            " ThrottlingException TooManyRequestsException TransactionInProgressException"
        ),
        _CAPACITY: (
            "InsufficientAddressCapacity InsufficientCapacity InsufficientCapacityOnHost"
            " InsufficientFreeAddressesInSubnet InsufficientHostCapacity"
            " InsufficientInstanceCapacity InsufficientReservedInstanceCapacity"
            " InsufficientThroughputCapacity SpotMaxPriceTooLow UnfulfillableCapacity"
        ),
        _QUOTA: "LimitExceeded MaxSpotInstanceCountExceeded ServiceQuotaExceededException",
        _UNSUPPORTED: (
            "Unsupported UnsupportedOperation UnsupportedOperationException"
            " UnsupportedAvailabilityZone InvalidInstanceType"
        ),
        _IN_USE: (
            "DeleteConflict DependencyViolation DependencyTimeout IncorrectInstanceState"
            " IncorrectState Resource.AlreadyAssociated ResourceInUse ResourceInUseException"
            " BucketNotEmpty"
        ),
        _GONE: "NoSuchBucket NoSuchEntity NoSuchEntityException NoSuchKey NoSuchResourceException"
        " InvalidInstanceId InvalidDocument",
        _EXISTS: "BucketAlreadyExists BucketAlreadyOwnedByYou EntityAlreadyExists"
        " TableAlreadyExistsException AlreadyExistsException InvalidSubnet.Conflict"
        " InvalidVpcPeering.Conflict",
        _CONFLICT: (
            "ConcurrentModification ConcurrentModificationException"
            " ConditionalCheckFailedException ConditionalRequestConflict OperationAborted"
            " PreconditionFailed TransactionCanceledException TransactionConflictException"
        ),
        _REJECTED: "IdempotentParameterMismatch IdempotentParameterMismatchException"
        " MalformedPolicyDocument MissingParameter PackedPolicyTooLarge"
        " ParamValidation ValidationError ValidationException",
        _FAILED: "InternalError InternalFailure InternalServerError InternalServerErrorException"
        " RegionDisabledException ServiceUnavailable ServiceUnavailableException Unavailable",
    }.items()
    for code in codes.split()
}
_BY_ENDING = (  # the first that fits; EC2 and EFS form hundreds of codes this way
    (r"LimitExceeded(Fault|Exception)?$", _QUOTA),
    (r"\.?NotFound(Exception|Fault)?$|\.Unknown$", _GONE),
    (r"\.?(Duplicate|AlreadyExists|Exists)(Exception|Fault)?$", _EXISTS),
    (r"\.?InUse(Exception|Fault)?$", _IN_USE),
    (r"^(Invalid|Malformed|Missing|UnknownParameter)", _REJECTED),
)
_BY_STATUS = {
    400: _REFUSED,
    401: _KEYS,
    403: _DENIAL,
    404: _GONE,
    408: _UNREACHABLE,
    409: _CONFLICT,
    412: _CONFLICT,
    429: _THROTTLE,
    503: _THROTTLE,
}


@contextmanager
def told(action: str, who: Who = Who.ROLE) -> Iterator[None]:
    """Raise what AWS answers within as a CloudError; ``action`` follows "AWS could not"."""
    try:
        yield
    except (BotoCoreError, ClientError, HTTPClientError, ResponseParserError) as error:
        # "from None": the SDK's own text must not reach a log through the traceback.
        raise cloud_error(error, action, who) from None


def cloud_error(error: Exception, action: str, who: Who = Who.ROLE) -> CloudError:
    code, status = aws_code(error), _status(error)
    answer = _answer(error, code, status)
    denied = _DENIED.search(str(error)) if isinstance(error, ClientError) else None
    logger.info("AWS answered %s (%s) to: %s", code, status, action)
    sentence = answer.sentence.format(
        action=action,
        bad_keys=_BAD_KEYS[who],
        code=code or status,
        denied=denied.group(1) if denied else _operation(error),
        way_out=_WAYS_OUT[who],
        who=who,
    )
    return CloudError(answer.code, sentence, retryable=answer.is_retryable)


def aws_code(error: Exception) -> str:
    """AWS's own code, such as ``NoSuchBucket``; the class where no answer came at all."""
    if isinstance(error, ClientError):
        found = str(error.response.get("Error", {}).get("Code", ""))
        return found.rpartition("#")[2].removeprefix("Client.").removeprefix("Server.")
    return type(error).__name__


def _status(error: Exception) -> int:
    if not isinstance(error, ClientError):
        return 0
    metadata = error.response.get("ResponseMetadata", {})
    return int(metadata.get("HTTPStatusCode") or 0)


def _answer(error: Exception, code: str, status: int) -> _Answer:
    if not isinstance(error, ClientError):
        return _without_answer(error)
    if answer := _BY_CODE.get(code):
        return answer
    for ending, answer in _BY_ENDING:
        if re.search(ending, code):
            return answer
    number = int(code) if code.isdecimal() else status
    return _BY_STATUS.get(number, _FAILED if number >= SERVER_ERROR else _REFUSED)


def _without_answer(error: Exception) -> _Answer:
    if isinstance(error, NoCredentialsError | PartialCredentialsError | CredentialRetrievalError):
        return _NONE
    if isinstance(error, HTTPClientError | ConnectionError):
        return _UNREACHABLE
    return _GARBLED if isinstance(error, ResponseParserError) else _REJECTED


def _operation(error: Exception) -> str:
    return str(getattr(error, "operation_name", "")) or "the call"
