"""HeadObject over the wire."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.kit.store import Store, head


def test_it_says_what_get_would_say(store: Store, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"12345", ContentType="text/plain", Metadata={"a": "b"})
    got = store.request("GET", f"/{bucket}/k", store.one).headers
    said = store.request("HEAD", f"/{bucket}/k", store.one).headers
    ignored = {"date", "x-amz-request-id"}
    assert {name: got[name] for name in got.keys() - ignored} == {name: said[name] for name in said.keys() - ignored}
    assert said["content-length"] == "5"
    assert said["accept-ranges"] == "bytes"


def test_no_body_follows(store: Store, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x" * 500_000)
    with store.connection() as connection:
        for _ in range(3):
            connection.send(head("HEAD", f"/{bucket}/k", store.signed_headers(store.one, "HEAD", f"/{bucket}/k")))
            assert connection.reply(is_head=True).headers["content-length"] == "500000"


def test_a_missing_key_is_404_without_a_document(s3: Any, bucket: str) -> None:
    with pytest.raises(ClientError) as error:
        s3.head_object(Bucket=bucket, Key="missing")
    assert error.value.response["Error"]["Code"] == "404"


def test_checksums_are_told_when_asked(s3: Any, bucket: str) -> None:
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"x", ChecksumAlgorithm="SHA256")
    assert s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")["ChecksumSHA256"] == put["ChecksumSHA256"]
    assert "ChecksumSHA256" not in s3.head_object(Bucket=bucket, Key="k")
