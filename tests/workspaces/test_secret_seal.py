from __future__ import annotations

import pytest

from workspaces.secrets import SecretUnreadable, seal, unseal


def test_sealed_value_opens_in_its_own_row() -> None:
    sealed = seal("hunter2", context="jobs.job.environment:1")

    assert "hunter2" not in sealed
    assert unseal(sealed, context="jobs.job.environment:1") == "hunter2"


def test_sealed_value_moved_to_another_row_does_not_open() -> None:
    sealed = seal("hunter2", context="jobs.job.environment:1")

    with pytest.raises(SecretUnreadable, match="another row"):
        unseal(sealed, context="jobs.job.environment:2")


def test_old_key_of_the_ring_still_opens(settings: object) -> None:
    old, new = b"a" * 32, b"b" * 32
    settings.FIELD_KEYS = [old]  # type: ignore[attr-defined]
    sealed = seal("hunter2", context="x")

    settings.FIELD_KEYS = [new, old]  # type: ignore[attr-defined]
    with_ring = unseal(sealed, context="x")
    settings.FIELD_KEYS = [new]  # type: ignore[attr-defined]

    assert with_ring == "hunter2"
    with pytest.raises(SecretUnreadable, match="BODO_FIELD_KEYS"):
        unseal(sealed, context="x")
