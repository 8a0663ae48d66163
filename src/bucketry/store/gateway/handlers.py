"""The one list of handlers: each operation of s3/operations.py has its row here, but for the preflights.

A handler runs when the signature is verified, the bucket found and the operation's action allowed; it asks
`authorise.demand` for any further action, and raises S3 errors.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from bucketry.store.gateway import object_tag_conditions, objects_get, objects_put
from bucketry.store.gateway.context import Context
from bucketry.store.gateway.http import Response

Handler = Callable[[Context], Awaitable[Response]]

HANDLERS: Mapping[str, Handler] = {
    # objects
    "GetObject": objects_get.get_object,
    "HeadObject": objects_get.head_object,
    "PutObject": objects_put.put_object,
    "DeleteObject": objects_put.delete_object,
}

# What must be known of a body before its sender's rights can be decided.
BEFORE_AUTHORISING: Mapping[str, Callable[[Context], Awaitable[None]]] = {
    "PutObjectTagging": object_tag_conditions.read_request_tags,
}
