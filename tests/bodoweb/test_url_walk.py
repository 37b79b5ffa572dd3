"""Every address names who may call it; a new one without that fails here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.urls import URLPattern, URLResolver, get_resolver

from bodoweb.url_actions import STAFF, THIRD_PARTY_ACTIONS, action_of
from workspaces.permissions import ORGANIZATION_ACTIONS, PUBLIC, SIGNED_IN, WORKSPACE_ACTIONS


@dataclass(frozen=True)
class Address:
    route: str
    name: str
    namespace: str
    action: str | None


def addresses(
    resolver: URLResolver | None = None, route: str = "/", namespace: str = ""
) -> Iterator[Address]:
    for entry in (resolver or get_resolver()).url_patterns:
        path = route + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from addresses(entry, path, entry.namespace or namespace)
        elif isinstance(entry, URLPattern):
            name = entry.name or ""
            action = action_of(entry.callback, name, namespace)
            yield Address(path, f"{namespace}:{name}" if namespace else name, namespace, action)


def test_every_address_names_an_action() -> None:
    silent = [address.route for address in addresses() if address.action is None]

    assert silent == []


def test_every_action_is_declared() -> None:
    declared = {PUBLIC, SIGNED_IN, STAFF, *ORGANIZATION_ACTIONS, *WORKSPACE_ACTIONS}

    assert {address.action for address in addresses()} <= declared


def test_the_scope_of_an_address_and_of_its_action_are_the_same() -> None:
    for address in addresses():
        if address.route.startswith("/w/"):
            assert address.action in WORKSPACE_ACTIONS, address
        if address.route.startswith("/o/"):
            assert address.action in ORGANIZATION_ACTIONS, address


def test_the_table_of_third_parties_names_no_dead_address() -> None:
    assert set(THIRD_PARTY_ACTIONS) <= {address.name for address in addresses()}
