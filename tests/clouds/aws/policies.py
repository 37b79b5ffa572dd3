"""What a policy document says about an action, a resource and its context.

Allow and Deny, wildcards, NotAction, NotResource and the usual condition operators; an operator
that is not here is an error, never a silent yes. Not here: policy variables, boundaries, service
control policies, session policies, resource policies.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

Context = Mapping[str, list[str]]


@dataclass
class Decision:
    """``decision`` in AWS's words. ``missing``: condition keys that the context does not have."""

    decision: str = "implicitDeny"
    matched: list[str] = field(default_factory=list)
    missing: set[str] = field(default_factory=set)


def decide(
    documents: Mapping[str, Any], action: str, resource: str | None, context: Context | None
) -> Decision:
    """Over all documents, by name: one Deny wins over every Allow.

    ``resource`` None: unknown, and so every Allow and only a Deny for "*" may count. ``context``
    None: unknown, every condition of an Allow holds and none of a Deny does.
    """
    found = Decision()
    for name, document in documents.items():
        for statement in as_list(document["Statement"]):
            effect = str(statement["Effect"])
            if not _covers(statement, effect, action, resource):
                continue
            if not _conditions(statement, effect, context, found.missing):
                continue
            found.matched.append(name)
            if effect == "Deny":
                found.decision = "explicitDeny"
            elif found.decision != "explicitDeny":
                found.decision = "allowed"
    return found


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _covers(statement: Any, effect: str, action: str, resource: str | None) -> bool:
    if "NotAction" in statement:
        if any(like(one, action, fold=True) for one in as_list(statement["NotAction"])):
            return False
    elif not any(like(one, action, fold=True) for one in as_list(statement.get("Action", []))):
        return False
    if resource is None:
        return effect == "Allow" or "*" in as_list(statement.get("Resource", []))
    if "NotResource" in statement:
        return not any(like(one, resource) for one in as_list(statement["NotResource"]))
    return any(like(one, resource) for one in as_list(statement.get("Resource", "*")))


def like(pattern: str, text: str, *, fold: bool = False) -> bool:
    """IAM's wildcards: ``*`` and ``?`` only."""
    return bool(_compiled(pattern, fold).fullmatch(text))


@cache
def _compiled(pattern: str, fold: bool) -> re.Pattern[str]:
    words = "".join({"*": ".*", "?": "."}.get(sign, re.escape(sign)) for sign in pattern)
    return re.compile(words, re.DOTALL | (re.IGNORECASE if fold else 0))


def _conditions(statement: Any, effect: str, context: Context | None, missing: set[str]) -> bool:
    conditions = statement.get("Condition", {})
    if context is None:
        return effect == "Allow" or not conditions
    return all(list(_each(conditions, context, missing)))


def _each(conditions: Any, context: Context, missing: set[str]) -> Iterator[bool]:
    folded = {key.lower(): values for key, values in context.items()}
    for operator, keys in conditions.items():
        for key, wanted in keys.items():
            if key.lower() not in folded and operator != "Null":
                missing.add(key)
            yield _holds(operator, folded.get(key.lower()), [str(one) for one in as_list(wanted)])


def _holds(operator: str, found: list[str] | None, wanted: list[str]) -> bool:
    every, operator = _without(operator, "ForAllValues:", front=True)
    _, operator = _without(operator, "ForAnyValue:", front=True)
    optional, operator = _without(operator, "IfExists", front=False)
    if operator == "Null":
        return (found is None) == (wanted == ["true"])
    if found is None:
        return every or optional or "Not" in operator
    hits = [_compare(operator, value, wanted) for value in found]
    return all(hits) if every or "Not" in operator else any(hits)


def _without(operator: str, part: str, *, front: bool) -> tuple[bool, str]:
    rest = operator.removeprefix(part) if front else operator.removesuffix(part)
    return rest != operator, rest


def _compare(operator: str, value: str, wanted: Iterable[str]) -> bool:
    match operator:
        case "StringEquals" | "ArnEquals":
            return value in wanted
        case "StringNotEquals" | "ArnNotEquals":
            return value not in wanted
        case "StringEqualsIgnoreCase" | "Bool":
            return value.lower() in {one.lower() for one in wanted}
        case "StringLike" | "ArnLike":
            return any(like(one, value) for one in wanted)
        case "StringNotLike" | "ArnNotLike":
            return not any(like(one, value) for one in wanted)
    raise NotImplementedError(f"The strict AWS server does not know the condition {operator}.")
