"""From an error to its answer: the one place where an S3 error becomes a document.

Amazon S3 API Reference, "REST error responses": Code, Message, the error's own elements, Resource, RequestId, HostId.
"""

from __future__ import annotations

from bucketry.store.gateway.http import Response
from bucketry.store.s3 import xml
from bucketry.store.s3.errors import S3Error

XML_TYPE = ("Content-Type", "application/xml")


def error_response(error: S3Error, resource: str, request_id: str, host_id: str) -> Response:
    """The answer to a request for `resource` (the raw path) that failed. A 304 has no document."""
    headers = list(error.headers.items())
    if error.status == 304:
        return Response(status=304, headers=headers)
    rows: list[tuple[str, str | int | bool | None]] = [("Code", error.code), ("Message", error.text)]
    rows += error.fields.items()
    rows += [("Resource", resource or None), ("RequestId", request_id), ("HostId", host_id)]
    body = xml.document("Error", xml.elements(rows), namespace=False)
    return Response(status=error.status, headers=[XML_TYPE, *headers], body=body)
