"""Steps that tests of versioning take again and again, by boto3 clients."""

from __future__ import annotations

from typing import Any


def set_versioning(s3: Any, bucket: str, status: str = "Enabled") -> None:
    """Have a bucket keep versions (Enabled), or no more of them (Suspended)."""
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})


def put(s3: Any, bucket: str, key: str, data: bytes = b"data") -> str:
    """Store an object: the id of its version, `null` where the answer tells none."""
    version_id: str = s3.put_object(Bucket=bucket, Key=key, Body=data).get("VersionId", "null")
    return version_id


def hide(s3: Any, bucket: str, key: str) -> str:
    """Delete an object without naming a version: the id of the delete marker."""
    answer = s3.delete_object(Bucket=bucket, Key=key)
    assert answer["DeleteMarker"] is True
    version_id: str = answer["VersionId"]
    return version_id


def body(s3: Any, bucket: str, key: str, **named: str) -> bytes:
    data: bytes = s3.get_object(Bucket=bucket, Key=key, **named)["Body"].read()
    return data


def listed(s3: Any, bucket: str, **query: Any) -> list[tuple[str, str, bool, bool]]:
    """(key, version id, is the latest, is a delete marker) of all versions, page by page, by key, as listed."""
    rows: list[tuple[str, str, bool, bool]] = []
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, **query):
        for name, is_marker in (("Versions", False), ("DeleteMarkers", True)):
            rows += [(entry["Key"], entry["VersionId"], entry["IsLatest"], is_marker) for entry in page.get(name, [])]
    return rows
