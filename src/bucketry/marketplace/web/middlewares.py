"""What wraps every request of a face: its id, its headers, and an answer even to what nobody foresaw."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from bucketry.kernel import ids, logs
from bucketry.marketplace.web.answers import SECURITY_HEADERS

REQUEST_ID_HEADER = "X-Request-Id"
REQUEST_ID: web.RequestKey[str] = web.RequestKey("request_id", str)


_log = logs.get("web")


def answering(shape: Callable[[web.Request, Exception], web.StreamResponse | None]) -> Middleware:
    """The outermost middleware. `shape` makes an answer of an exception; None: it does not know it.

    An unknown failure is logged with the request's id, and the caller is told the id alone.
    """

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        request_id = request[REQUEST_ID] = ids.request_id()
        try:
            response = await handler(request)
        except Exception as error:
            shaped = shape(request, error)
            if shaped is None:
                _log.error(
                    "a request failed",
                    request_id=request_id,
                    method=request.method,
                    path=request.path,
                    exc_info=error,
                )
                shaped = shape(request, UnforeseenFailure(request_id))
                assert shaped is not None, "every face has a shape for what is unforeseen"
            response = shaped
        response.headers[REQUEST_ID_HEADER] = request_id
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return answer


class UnforeseenFailure(Exception):
    """Stands for what was logged under `request_id`; its text is fit for the caller."""

    def __init__(self, request_id: str) -> None:
        super().__init__(f"Something went wrong here; the server's log has the details under request id {request_id}.")
