"""What no bucket of this store has: reading it tells so, as AWS tells it of a bucket without; setting it is refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kit.refusals import refused
from tests.kit.store import Store


def test_reading_tells_that_there_is_none(s3: Any, bucket: str) -> None:
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"
    assert "Status" not in s3.get_bucket_accelerate_configuration(Bucket=bucket)
    assert s3.get_bucket_abac(Bucket=bucket)["AbacStatus"] == {"Status": "Disabled"}
    with refused("ReplicationConfigurationNotFoundError", 404):
        s3.get_bucket_replication(Bucket=bucket)


@pytest.mark.parametrize("what", ["analytics", "intelligent_tiering", "inventory", "metrics"])
def test_lists_are_empty_and_no_entry_is_there(s3: Any, bucket: str, what: str) -> None:
    found = getattr(s3, f"list_bucket_{what}_configurations")(Bucket=bucket)
    assert found["IsTruncated"] is False
    assert not [name for name in found if name.endswith("ConfigurationList")]
    with refused("NoSuchConfiguration", 404):
        getattr(s3, f"get_bucket_{what}_configuration")(Bucket=bucket, Id="any")


@pytest.mark.parametrize(
    "marker",
    ["abac", "accelerate", "analytics", "intelligent-tiering", "inventory", "metrics", "replication", "requestPayment"],
)
def test_setting_and_removing_are_not_pretended(store: Store, bucket: str, marker: str) -> None:
    for method in ("PUT", "DELETE"):
        reply = store.request(method, f"/{bucket}?{marker}&id=any", store.one, body=b"<x/>" if method == "PUT" else b"")
        assert (reply.status, reply.code) == (501, "NotImplemented")
    assert store.request("HEAD", f"/{bucket}", store.one).status == 200
