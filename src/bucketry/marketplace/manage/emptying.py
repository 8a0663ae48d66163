"""Empty a bucket, telling how far it is: one JSON object a line (application/x-ndjson).

    {"objects": 2000, "size_bytes": 123456, "uploads": 0, "done": false}

The numbers are sums of what has been removed. The last line has `done: true`, or `error` (and its `status`) beside the
sums. Who stops reading stops it; a repeat goes on where it was.
"""

from __future__ import annotations

import msgspec
from aiohttp import web

from bucketry.kernel import logs
from bucketry.marketplace.domain.engine_ports import Emptied
from bucketry.marketplace.domain.errors import DomainError
from bucketry.marketplace.manage import errors
from bucketry.marketplace.manage.call import Call
from bucketry.marketplace.web.answers import SECURITY_HEADERS
from bucketry.marketplace.web.middlewares import REQUEST_ID, REQUEST_ID_HEADER

_log = logs.get("manage")
_encoder = msgspec.json.Encoder()


async def empty_instance(call: Call) -> web.StreamResponse:
    """Remove all that the bucket holds, versions and unfinished uploads too; answers as it goes."""
    instance = await call.instance()
    progress = call.marketplace.instances.empty(instance.guid)
    removed = await anext(progress)  # errors before anything is removed have a status of their own
    request_id = call.request[REQUEST_ID]
    headers = {"Content-Type": "application/x-ndjson", REQUEST_ID_HEADER: request_id, **SECURITY_HEADERS}
    response = web.StreamResponse(headers=headers)
    await response.prepare(call.request)
    try:
        await response.write(_line(removed, done=False))
        async for removed in progress:
            await response.write(_line(removed, done=False))
        await response.write(_line(removed, done=True))
    except ConnectionResetError:
        _log.info("the reader of an emptying went away", instance=instance.guid)
        return response
    except DomainError as error:
        body = errors.document(error.code, str(error), details=error.details)
        await response.write(_line(removed, done=False, status=errors.status_of(error), **body))
    await response.write_eof()
    return response


def _line(removed: Emptied, **more: object) -> bytes:
    sums = {"objects": removed.objects, "size_bytes": removed.size_bytes, "uploads": removed.uploads}
    return _encoder.encode({**sums, **more}) + b"\n"
