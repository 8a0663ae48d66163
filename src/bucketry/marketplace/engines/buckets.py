"""Buckets by the S3 API: make, configure, measure, empty, remove. Blocking; each may be repeated at any time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bucketry.marketplace.domain.engine_ports import BucketNotEmpty, BucketSettings, Emptied, Usage
from bucketry.marketplace.domain.errors import EngineRefused
from bucketry.marketplace.engines import rights
from bucketry.marketplace.engines.connection import Connection, code_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_PASSES = 100
GONE = ("NoSuchBucket", "404")
UNBLOCKED = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": False,
    "RestrictPublicBuckets": False,
}
BLOCKED = dict.fromkeys(UNBLOCKED, True)


def create(connection: Connection, bucket: str, settings: BucketSettings) -> bool:
    """See Engine.create_bucket. New buckets are private on every engine: no policy, public access blocked."""
    from botocore.exceptions import ClientError

    request: dict[str, Any] = {"Bucket": bucket}
    if connection.endpoint.region != "us-east-1":  # which has no constraint by definition
        request["CreateBucketConfiguration"] = {"LocationConstraint": connection.endpoint.region}
    if settings.object_ownership:
        request["ObjectOwnership"] = settings.object_ownership
    with connection.doing("making the bucket"):
        # That region of AWS, and the embedded store, answer the same for a bucket that was there.
        is_vague = connection.endpoint.region == "us-east-1" or not connection.endpoint.settles_s
        if is_vague and _is_there(connection, bucket):
            return False
        try:
            connection.s3.create_bucket(**request)
        except ClientError as error:
            if code_of(error) != "BucketAlreadyOwnedByYou":
                raise
            return False
        return True


def _is_there(connection: Connection, bucket: str) -> bool:
    from botocore.exceptions import ClientError

    try:
        connection.s3.list_multipart_uploads(Bucket=bucket, MaxUploads=1)
    except ClientError as error:
        if code_of(error) in (*GONE, "AccessDenied"):  # what is another's is refused when it is to be made
            return False
        raise
    return True


def configure(
    connection: Connection,
    bucket: str,
    settings: BucketSettings,
    since: BucketSettings | None,
    default_ownership: str,
    partition: str,
) -> None:
    """See Engine.configure."""
    s3 = connection.s3
    is_to_open = settings.is_public and (since is None or not since.is_public)
    if not settings.is_public and (since is None or since.is_public):
        with connection.doing("closing the bucket to the public"):
            _close(s3, bucket)
    if since is None or settings.object_ownership != since.object_ownership:
        rule: Any = {"ObjectOwnership": settings.object_ownership or default_ownership}
        with connection.doing("setting object_ownership"):
            s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": [rule]})
    set_documents(connection, bucket, settings, since)
    if is_to_open:  # at last: a change that fails on the way opens nothing
        with connection.doing("opening the bucket to the public"):
            _open(connection, bucket, partition)


def set_documents(connection: Connection, bucket: str, settings: BucketSettings, since: BucketSettings | None) -> None:
    """The settings that are a document each, and the same on every engine."""
    s3 = connection.s3
    if since is None or settings.cors != since.cors:
        cors: Any = settings.cors
        with connection.doing("setting cors"):
            if cors:
                s3.put_bucket_cors(Bucket=bucket, CORSConfiguration=cors)
            else:
                s3.delete_bucket_cors(Bucket=bucket)
    if since is None or settings.website != since.website:
        website: Any = settings.website
        with connection.doing("setting website"):
            if website:
                s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=website)
            else:
                s3.delete_bucket_website(Bucket=bucket)


def _open(connection: Connection, bucket: str, partition: str) -> None:
    """The block must be lifted before the policy is set, and that may take a moment to be known."""
    from botocore.exceptions import ClientError

    s3, policy = connection.s3, rights.of_public_bucket(bucket, partition)
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=UNBLOCKED)  # type: ignore[arg-type]  # a dict of literals
    try:
        connection.patiently(lambda: s3.put_bucket_policy(Bucket=bucket, Policy=policy), _is_blocked)
    except ClientError as error:
        if not _is_blocked(error):
            raise
        raise EngineRefused(
            f"The account of engine {connection.engine_name} blocks public access to all its buckets, so bucket "
            f"{bucket} can't be opened. The operator switches that off in its Block Public Access settings, or offers "
            "no public plans there."
        ) from None


def _is_blocked(error: Exception) -> bool:
    """Whether a public policy is refused because of Block Public Access, of the bucket or the account."""
    response: Any = getattr(error, "response", {})
    message = str(response.get("Error", {}).get("Message", ""))
    return code_of(error) == "AccessDenied" and ("BlockPublic" in message or "Block Public Access" in message)


def _close(s3: S3Client, bucket: str) -> None:
    """The block is put back after the policy is gone."""
    s3.delete_bucket_policy(Bucket=bucket)
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=BLOCKED)  # type: ignore[arg-type]  # a dict of literals


def delete(connection: Connection, bucket: str) -> None:
    """See Engine.delete_bucket. Asks for uploads first: S3 removes a bucket that only has unfinished ones."""
    from botocore.exceptions import ClientError

    with connection.doing("removing the bucket"):
        try:
            if connection.s3.list_multipart_uploads(Bucket=bucket, MaxUploads=1).get("Uploads"):
                raise BucketNotEmpty(bucket)
            connection.s3.delete_bucket(Bucket=bucket)
        except ClientError as error:
            if code_of(error) == "BucketNotEmpty":
                raise BucketNotEmpty(bucket) from None
            if code_of(error) not in GONE:
                raise


def usage(connection: Connection, bucket: str, most: int | None = None) -> Usage:
    """See Engine.usage. Ceph and the embedded store tell it on HEAD; elsewhere all versions are listed."""
    from botocore.exceptions import ClientError

    s3 = connection.s3
    with connection.doing("measuring the bucket"):
        try:
            headers = s3.head_bucket(Bucket=bucket)["ResponseMetadata"]["HTTPHeaders"]
            uploads = len(s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []))
        except ClientError as error:
            if code_of(error) in GONE:
                return Usage(0, 0, 0)
            raise
        if "x-rgw-bytes-used" in headers and "x-rgw-object-count" in headers:
            return Usage(int(headers["x-rgw-object-count"]), int(headers["x-rgw-bytes-used"]), uploads)
        objects = size_bytes = 0
        for entries in _pages(s3, bucket):
            objects += len(entries)
            size_bytes += sum(entry.get("Size", 0) for entry in entries)
            if most is not None and objects > most:
                break
        return Usage(objects, size_bytes, uploads)


def empty(connection: Connection, bucket: str) -> Iterator[Emptied]:
    """See Engine.empty_bucket. Passes go on until one finds nothing: some servers lose their place in a listing when
    the keys of the last page are gone, and others may still be storing; those who never stop are not waited for."""
    from botocore.exceptions import ClientError

    objects = size_bytes = uploads = 0
    s3 = connection.s3
    with connection.doing("emptying the bucket"):
        try:
            for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
                for upload in page.get("Uploads", []):
                    _abort(s3, bucket, upload["Key"], upload["UploadId"])
                    uploads += 1
                if page.get("Uploads"):
                    yield Emptied(objects, size_bytes, uploads)
            for _ in range(_PASSES):
                before = objects
                for entries in _pages(s3, bucket):
                    _delete_page(connection, bucket, entries)
                    objects += len(entries)
                    size_bytes += sum(entry.get("Size", 0) for entry in entries)
                    yield Emptied(objects, size_bytes, uploads)
                if objects == before:
                    break
        except ClientError as error:
            if code_of(error) not in GONE:
                raise


def _pages(s3: S3Client, bucket: str) -> Iterator[list[dict[str, Any]]]:
    """All versions and delete markers, page by page; plain objects where the engine keeps no versions."""
    from botocore.exceptions import ClientError

    try:
        for versions in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            entries: list[Any] = [*versions.get("Versions", []), *versions.get("DeleteMarkers", [])]
            if entries:
                yield entries
        return
    except ClientError as error:
        if code_of(error) != "NotImplemented":
            raise
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        contents: list[Any] = list(page.get("Contents", []))
        if contents:
            yield contents


def _delete_page(connection: Connection, bucket: str, entries: list[dict[str, Any]]) -> None:
    named: list[Any] = []
    for entry in entries:
        # A null version is named, too: in a bucket that keeps versions a marker would hide it otherwise.
        named.append({name: entry[name] for name in ("Key", "VersionId") if name in entry})
    answer = connection.s3.delete_objects(Bucket=bucket, Delete={"Objects": named, "Quiet": True})
    if errors := answer.get("Errors"):
        first = errors[0]
        if "object lock" in first.get("Message", "").lower():
            raise EngineRefused(
                f"{len(errors)} versions in bucket {bucket} are protected by Object Lock, "
                f"the first of them {first.get('Key')}. They can be "
                "removed when their retention has ended and no legal hold is on them; all others of this page are gone."
            )
        raise EngineRefused(
            f"The engine {connection.engine_name} did not remove {len(errors)} objects of bucket {bucket}; "
            f"the first: {first.get('Key')}: {first.get('Code')}."
        )


def _abort(s3: S3Client, bucket: str, key: str, upload_id: str) -> None:
    from botocore.exceptions import ClientError

    try:
        s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id)
    except ClientError as error:
        if code_of(error) != "NoSuchUpload":  # completed or aborted just now
            raise
