"""Event notifications of changes: which a request causes, left behind in the transaction of the change itself.

Amazon S3 User Guide, "Amazon S3 Event Notifications": at least once. A bucket without the setting pays one look into
its settings. Events are delivered by the keeper, to the webhook of the operator.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial

from bucketry.kernel import logs
from bucketry.store.disk.bucket import Bucket
from bucketry.store.disk.events import Text
from bucketry.store.disk.types import NULL_VERSION, Version
from bucketry.store.gateway.context import Context
from bucketry.store.identity.types import BucketRecord
from bucketry.store.s3 import notifications
from bucketry.store.s3.errors import S3Error
from bucketry.store.s3.notifications import Happening, Interest

SETTING = "notification"
_CAUSES = {
    "PutObject": "ObjectCreated:Put",
    "PostObject": "ObjectCreated:Post",
    "CopyObject": "ObjectCreated:Copy",
    "CompleteMultipartUpload": "ObjectCreated:CompleteMultipartUpload",
    "DeleteObject": "ObjectRemoved",
    "DeleteObjects": "ObjectRemoved",
    "PutObjectTagging": "ObjectTagging:Put",
    "DeleteObjectTagging": "ObjectTagging:Delete",
    "PutObjectAcl": "ObjectAcl:Put",
}
_log = logs.get("gateway.events")


def interests_of(bucket: BucketRecord) -> tuple[Interest, ...]:
    """What is to be told of a bucket; nothing where the setting can't be read."""
    text = bucket.settings.get(SETTING)
    if text is None:
        return ()
    try:
        return notifications.parse_kept(text)
    except S3Error:
        _log.error("a bucket's notifications cannot be read and tell nothing", bucket=bucket.name)
        return ()


def announcing(
    context: Context, record: BucketRecord, bucket: Bucket, named: Collection[tuple[str, str]] = ()
) -> Bucket:
    """The bucket, its changes leaving events behind where the request is one that causes any. `named`: (key, version
    id) of the versions that are to be removed for good."""
    cause = _CAUSES.get(context.operation.name)
    interests = interests_of(record) if cause is not None else ()
    if cause is None or not interests:
        return bucket
    return bucket.announcing(partial(announce, interests, happening_of(context, record), cause, named))


def happening_of(context: Context, record: BucketRecord) -> Happening:
    """What events tell of a request."""
    caller = context.caller
    return Happening(
        region=record.region,
        bucket=record.name,
        owner=record.owner.canonical_id,
        principal="Anonymous" if caller is None else caller.account.account_id if caller.user is None else caller.arn,
        remote_ip=context.request.remote_ip,
        request_id=context.request.request_id,
        host_id=context.services.host_id,
    )


def announce(
    interests: Sequence[Interest],
    happening: Happening,
    cause: str,
    named: Collection[tuple[str, str]],
    result: object,
) -> list[Text]:
    """The events of a change by its result: a version that was made, changed or removed, or several, or nothing.
    `cause` without a part after the colon: a removal, of which a delete marker that was made is told apart."""
    texts: list[Text] = []
    for version in result if isinstance(result, list) else [result]:
        if not isinstance(version, Version):
            continue
        event = cause
        if ":" not in cause:
            is_made = version.is_delete_marker and (version.key, version.version_id) not in named
            event = f"{cause}:{'DeleteMarkerCreated' if is_made else 'Delete'}"
        texts += [
            partial(_record, happening, interest.config_id, event, version)
            for interest in interests
            if interest.wants(event, version.key)
        ]
    return texts


def _record(happening: Happening, interest_id: str, event: str, version: Version, number: int, now_ms: int) -> str:
    has_bytes = event.startswith("Object") and not event.startswith("ObjectRemoved")
    return notifications.record(
        happening,
        interest_id,
        event,
        now_ms,
        version.key,
        number,
        size=version.size if has_bytes else None,
        etag=version.etag,
        version_id="" if version.version_id == NULL_VERSION else version.version_id,
    )
