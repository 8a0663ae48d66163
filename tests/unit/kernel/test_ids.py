"""Ids have the shapes that tools expect, and don't repeat."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from bucketry.kernel import ids


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (ids.access_key_id, r"BKRY[A-Z2-7]{16}"),
        (ids.secret_access_key, r"[A-Za-z0-9]{40}"),
        (ids.token, r"[A-Za-z0-9_-]{43}"),
        (ids.request_id, r"[0-9A-HJKMNP-TV-Z]{16}"),
        (ids.guid, r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
        (ids.hex_id, r"[0-9a-f]{16}"),
    ],
)
def test_shape_and_uniqueness(make: Callable[[], str], shape: str) -> None:
    made = [make() for _ in range(1000)]
    assert all(re.fullmatch(shape, one) for one in made)
    assert len(set(made)) == len(made)
