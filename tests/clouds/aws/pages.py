"""Pages: MaxResults and NextToken of EC2's describes, with AWS's own limits.

Plain moto ignores MaxResults: all 1,395 instance types come in one answer of 3.4 MB, so that code
which forgets the second page passes. Not proved: that AWS fills every page.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from moto.core.responses import ActionResult
from moto.core.utils import camelcase_to_underscores, get_pagination_model
from moto.ec2.responses import EC2Response

from tests.clouds.aws.moto_hooks import Asked, Proceed, Refusal, around
from tests.clouds.aws.world import world

LEAST = 5
MOST = {"DescribeInstanceTypes": 100}
ALWAYS_PAGED = {"DescribeInstanceTypes": 100, "DescribeInstanceTypeOfferings": 1000}
PAGED_BY_MOTO = {"DescribeIamInstanceProfileAssociations", "DescribeInstances"}
_rest: dict[str, list[Any]] = {}
_numbers = itertools.count(1)
world.on_reset(_rest.clear)


def _in_pages(action: str, key: str) -> Callable[[Any, Proceed], Any]:
    def rule(request: Any, proceed: Proceed) -> Any:
        limit = request._get_int_param("MaxResults") or ALWAYS_PAGED.get(action)
        token = request._get_param("NextToken")
        if limit is not None and not LEAST <= limit <= MOST.get(action, 1000):
            raise Refusal(
                "InvalidParameterValue",
                f"Value ( {limit} ) for parameter maxResults is invalid. Expecting a value from "
                f"{LEAST} to {MOST.get(action, 1000)}.",
            )
        if token is not None and token not in _rest:
            raise Refusal("InvalidNextToken", "The token is not valid.")
        answer = ActionResult({key: _rest[token]}) if token else proceed()
        return _page(answer, key, limit)

    return rule


def _page(answer: Any, key: str, limit: int | None) -> Any:
    items = list(answer.result[key])
    if limit is None or len(items) <= limit:
        return answer
    token = f"page-{next(_numbers)}"
    _rest[token] = items[limit:]
    return ActionResult({**answer.result, key: items[:limit], "NextToken": token})


def install() -> None:
    for action, model in get_pagination_model("ec2").items():
        name = camelcase_to_underscores(action)
        if (
            model.get("limit_key") == "MaxResults"
            and isinstance(model["result_key"], str)
            and hasattr(EC2Response, name)
            and action not in PAGED_BY_MOTO
        ):
            around(EC2Response, name, asked=Asked.FOR_TOKEN)(_in_pages(action, model["result_key"]))
