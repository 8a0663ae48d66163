"""Tags in a PutObjectTagging document as condition values: read before authorising, since policies may ask for them.

A Deny on s3:RequestObjectTag/… that is evaluated before the body is known would never match.
"""

from __future__ import annotations

from bucketry.store.gateway.bodies import read_document
from bucketry.store.gateway.context import Context
from bucketry.store.s3.tagging import MAX_TAGGING_BYTES, parse_object_tagging


async def read_request_tags(context: Context) -> None:
    """Read the document, keep it for the handler, and make its tags known to conditions. MalformedXML, InvalidTag."""
    tags = parse_object_tagging(await read_document(context, MAX_TAGGING_BYTES))
    values: dict[str, str | list[str]] = {f"s3:requestobjecttag/{name.lower()}": text for name, text in tags.items()}
    if tags:
        values["s3:requestobjecttagkeys"] = list(tags)
    context.condition_values = {**context.condition_values, **values}
