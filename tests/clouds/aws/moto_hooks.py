"""How this package changes moto: rules wrapped around the methods that answer AWS's actions.

A rule gets moto's answering object (parameters, account, region, backend) and ``proceed``, which
is what moto, or the rule wrapped before, would do. It may refuse, proceed, or change the answer.
moto has checked the caller's rights before any rule is asked.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from enum import IntEnum
from importlib.metadata import version
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.responses import BaseResponse

MOTO = "5.2.5"
assert version("moto") == MOTO, (
    f"The strict AWS server changes the inside of moto {MOTO}, but moto {version('moto')} is "
    "installed: read the changes of moto, run tests/clouds/aws, then set MOTO to the new version."
)

Proceed = Callable[[], Any]
Rule = Callable[[Any, Proceed], Any]


class Refusal(ServiceException):
    """An error as AWS would answer it, in the protocol of the service that was called.

    ``fields`` are members of the error beside the message, for services whose model has any.
    """

    def __init__(self, code: str, message: str, *, status: int = 0, **fields: Any) -> None:
        super().__init__(code, message)
        self.status = status
        for name, value in fields.items():
            setattr(self, name, value)


class Asked(IntEnum):
    """Which of several rules around one action is asked first."""

    BEFORE_ALL = 0
    FOR_TOKEN = 1
    FOR_QUOTA = 2
    FOR_CAPACITY = 3
    FOR_PHASE = 4
    LAST = 5


_rules: dict[tuple[type, str], list[tuple[Asked, Rule]]] = {}


def around(answers: type, *actions: str, asked: Asked = Asked.LAST) -> Callable[[Rule], Rule]:
    """Ask this rule for actions (snake case) that moto knows."""

    def decorate(rule: Rule) -> Rule:
        for action in actions:
            _rules.setdefault((answers, action), []).append((asked, rule))
        return rule

    return decorate


def _wrapped(rule: Rule, original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    @functools.wraps(original)
    def answer(request: Any) -> Any:
        return rule(request, lambda: original(request))

    return answer


def adds(answers: type) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    """Add an action that moto does not have; the function carries its name in snake case."""

    def decorate(answer: Callable[[Any], Any]) -> Callable[[Any], Any]:
        setattr(answers, answer.__name__, answer)
        return answer

    return decorate


def _serialized_with_status(original: Callable[..., Any]) -> Callable[..., Any]:
    """moto answers every refusal with the model's status, 400 where the model has none."""

    def serialized(self: Any, action_result: Any) -> Any:
        status, headers, body = original(self, action_result)
        return getattr(action_result.result, "status", 0) or status, headers, body

    return serialized


def install() -> None:
    """Wrap moto in all rules that were declared, those asked first outermost."""
    BaseResponse.serialized = _serialized_with_status(BaseResponse.serialized)  # type: ignore
    for (answers, action), rules in _rules.items():
        for _, rule in sorted(rules, key=lambda one: one[0], reverse=True):
            setattr(answers, action, _wrapped(rule, getattr(answers, action)))
