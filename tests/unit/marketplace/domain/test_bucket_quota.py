from __future__ import annotations

import json
from importlib import resources
from typing import Any

import pytest

from bucketry.marketplace.domain import bucket_quota, catalog, schemas
from bucketry.marketplace.domain.engine_ports import BucketQuota
from bucketry.marketplace.domain.errors import InvalidParameters


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


@pytest.mark.parametrize(
    ("limit", "ordered", "both"),
    [
        (None, None, None),
        (BucketQuota(5), None, BucketQuota(5)),
        (None, BucketQuota(None, 5), BucketQuota(None, 5)),
        (BucketQuota(5), BucketQuota(4, 3), BucketQuota(4, 3)),
        (BucketQuota(5, 2), BucketQuota(9, 3), BucketQuota(5, 2)),
    ],
)
def test_a_plan_and_an_order_limit_together(
    limit: BucketQuota | None, ordered: BucketQuota | None, both: BucketQuota | None
) -> None:
    assert bucket_quota.within(limit, ordered) == both


def test_more_than_the_plan_gives_is_refused() -> None:
    bucket_quota.check(BucketQuota(5, 5), BucketQuota(5, None), "small")
    for ordered in (BucketQuota(6), BucketQuota(1, 6)):
        with pytest.raises(InvalidParameters, match="plan small gives at most 5"):
            bucket_quota.check(BucketQuota(5, 5), ordered, "small")


def test_a_plan_may_have_a_quota() -> None:
    file = json.loads(resources.files("bucketry.marketplace.domain").joinpath("catalog.json").read_text())
    plan = file["services"][0]["plans"][0]
    plan["bucketry"]["quota"] = {"size": "1 kB"}
    quota = catalog.parse(json.dumps(file).encode()).services[0].plans[0].quota
    assert quota == BucketQuota(1000)
    plan["bucketry"]["quota"] = {"size": "much"}
    with pytest.raises(catalog.CatalogError, match=r'services\[0\].plans\[0\].bucketry.quota.size: "much" is none'):
        catalog.parse(json.dumps(file).encode())
