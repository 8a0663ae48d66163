"""How much a bucket may hold, as it is ordered: `{"size": "10 GB", "objects": 1000}`.

The schema (schemas.py) says what it looks like; here is what it means.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bucketry.marketplace.domain.engine_ports import BucketQuota
from bucketry.marketplace.domain.errors import InvalidParameters

_SIZE = re.compile(r"([0-9]+) ?([kKMGTP]?)(i?)B")
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}


def of_parameter(parameter: Mapping[str, Any] | None) -> BucketQuota | None:
    """The quota of a parameter that fits the schema; None: no limit."""
    if parameter is None:
        return None
    return BucketQuota(_bytes(parameter.get("size")), parameter.get("objects"))


def within(limit: BucketQuota | None, ordered: BucketQuota | None) -> BucketQuota | None:
    """The tighter of both, in each respect."""
    if limit is None or ordered is None:
        return limit or ordered
    return BucketQuota(_least(limit.size_bytes, ordered.size_bytes), _least(limit.objects, ordered.objects))


def check(limit: BucketQuota | None, ordered: BucketQuota | None, plan_name: str) -> None:
    """Raises InvalidParameters where more is ordered than a plan gives."""
    if limit is None or ordered is None:
        return
    for most, asked, what in (
        (limit.size_bytes, ordered.size_bytes, "bytes"),
        (limit.objects, ordered.objects, "objects"),
    ):
        if most is not None and asked is not None and asked > most:
            raise InvalidParameters(f"Parameter quota: plan {plan_name} gives at most {most:,} {what}; order less.")


def _least(one: int | None, other: int | None) -> int | None:
    return min((limit for limit in (one, other) if limit is not None), default=None)


def _bytes(size: int | str | None) -> int | None:
    if size is None or isinstance(size, int):
        return size
    match = _SIZE.fullmatch(size)
    assert match is not None, "the schema lets no other through"
    number, unit, binary = match.groups()
    base: int = 1024 if binary else 1000
    return int(number) * int(base ** _POWERS[unit.upper()])
