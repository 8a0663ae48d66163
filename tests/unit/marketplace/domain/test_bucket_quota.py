from __future__ import annotations

from typing import Any

import pytest

from bucketry.marketplace.domain import bucket_quota, schemas
from bucketry.marketplace.domain.ports import BucketQuota


@pytest.mark.parametrize(
    ("parameter", "quota"),
    [
        (None, None),
        ({"objects": 5}, BucketQuota(None, 5)),
        ({"size": 4096}, BucketQuota(4096, None)),
        ({"size": "7B", "objects": 1}, BucketQuota(7, 1)),
        ({"size": "500 MB"}, BucketQuota(500_000_000, None)),
        ({"size": "10 GB"}, BucketQuota(10_000_000_000, None)),
        ({"size": "10GiB"}, BucketQuota(10 * 2**30, None)),
        ({"size": "2 kB"}, BucketQuota(2_000, None)),
        ({"size": "3 TiB"}, BucketQuota(3 * 2**40, None)),
    ],
)
def test_sizes_are_told_with_units_or_without(parameter: dict[str, Any] | None, quota: BucketQuota | None) -> None:
    if parameter is not None:
        schemas.check_instance_create({"quota": parameter})
    assert bucket_quota.of_parameter(parameter) == quota
