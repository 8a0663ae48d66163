"""Event notifications as they are set and read.

Amazon S3 API Reference, PutBucketNotificationConfiguration, GetBucketNotificationConfiguration. The destination must be
the webhook of the operator, where there is one: what nobody would hear of can't be set.
"""

from __future__ import annotations

from functools import partial

from bucketry.store.disk import events as disk_events
from bucketry.store.disk.transaction import Transaction
from bucketry.store.gateway import events
from bucketry.store.gateway.bodies import read_document
from bucketry.store.gateway.bucket_settings import bucket_of, set_setting, xml_response
from bucketry.store.gateway.context import Context
from bucketry.store.gateway.http import Response
from bucketry.store.s3 import notifications
from bucketry.store.s3.errors import InvalidArgument, MalformedXML
from bucketry.store.s3.notifications import Interest


async def get_bucket_notification_configuration(context: Context) -> Response:
    return xml_response(notifications.document(events.interests_of(bucket_of(context))))


async def put_bucket_notification_configuration(context: Context) -> Response:
    """An empty one ends it. The setting stays then, so that events that wait are delivered still."""
    body = await read_document(context, notifications.MAX_DOCUMENT_BYTES)
    if not body:
        raise MalformedXML
    interests = notifications.parse(body)
    bucket = bucket_of(context)
    if not interests and events.SETTING not in bucket.settings:
        return Response()
    for interest in interests:
        _check_destination(context, interest)
    await set_setting(context, events.SETTING, notifications.document(interests).decode())
    if interests and context.request.headers.get("x-amz-skip-destination-validation") != "true":
        index = context.services.disk.bucket(bucket.name, bucket.bucket_id)
        await index.transact(partial(_leave_test, context))
    return Response()


def _leave_test(context: Context, transaction: Transaction) -> None:
    happening = events.happening_of(context, bucket_of(context))
    disk_events.note(transaction, [lambda _number, now_ms: notifications.test_message(happening, now_ms)])


def _check_destination(context: Context, interest: Interest) -> None:
    bucket, settings = bucket_of(context), context.services.settings
    if settings.has_webhook and notifications.is_destination(interest, bucket.region, bucket.owner.account_id):
        return
    account = f"{bucket.region}:{bucket.owner.account_id}:{notifications.DESTINATION}"
    reason = (
        f"Events can be sent to the webhook of this store: arn:aws:sns:{account}"
        if settings.has_webhook
        else "The operator of this store has set no webhook, so there is nowhere to send events to"
    )
    raise InvalidArgument(
        f"Unable to validate the following destination configurations. {reason}.",
        {"ArgumentName": interest.arn[:256], "ArgumentValue": "The destination does not exist"},
    )
