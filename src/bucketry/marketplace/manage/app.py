"""The API as an aiohttp application: who may call, request ids, errors in one shape, bodies in JSON."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from bucketry.kernel import ids, logs
from bucketry.marketplace.domain.marketplace import Marketplace
from bucketry.marketplace.manage import errors
from bucketry.marketplace.manage.call import Answer, Call, User
from bucketry.marketplace.manage.errors import ApiError
from bucketry.marketplace.manage.routes import ROUTES, Route

# Who a bearer token belongs to; None: nobody. It compares in constant time.
Authenticate = Callable[[str], Awaitable[User | None]]

MAX_BODY_SIZE_BYTES = 1024 * 1024
REQUEST_ID_HEADER = "X-Request-Id"

_log = logs.get("manage")
_encoder = msgspec.json.Encoder()
_REQUEST_ID: web.RequestKey[str] = web.RequestKey("request_id", str)
_USER: web.RequestKey[User] = web.RequestKey("user", User)


def make_manage_app(marketplace: Marketplace, authenticate: Authenticate, version: str) -> web.Application:
    """The application, to be mounted at routes.API_ROOT (`add_subapp`). `version` is what GET /info tells."""
    app = web.Application(middlewares=[_answer_all, _authentication(authenticate)], client_max_size=MAX_BODY_SIZE_BYTES)
    app.on_response_prepare.append(_head)
    for route in ROUTES:
        app.router.add_route(route.method, route.path, _handler(route, marketplace, version))
    return app


def _handler(route: Route, marketplace: Marketplace, version: str) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        answer = await route.handler(Call(request, marketplace, request[_USER], version))
        return _response(answer) if isinstance(answer, Answer) else answer

    return handle


def _response(answer: Answer) -> web.Response:
    if answer.value is None:
        return web.Response(status=answer.status)
    body = _encoder.encode(answer.value)
    return web.Response(status=answer.status, body=body, content_type="application/json")


def _authentication(authenticate: Authenticate) -> Middleware:
    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Nobody is told what exists, not even which calls there are, before it is known who asks."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        token = token.strip()
        # Bytes that are not ASCII come as surrogates, which nothing can encode; no token has them.
        is_one = scheme.lower() == "bearer" and token != "" and token.isascii()
        user = await authenticate(token) if is_one else None
        if user is None:
            raise ApiError(
                401,
                "InvalidToken",
                "This server does not know the token." if token else "The request has no bearer token.",
                "Use the `token` in the admin.json of this server's data folder (--data, or BUCKETRY_TOKEN).",
            )
        request[_USER] = user
        return await handler(request)

    return check


async def _head(request: web.Request, response: web.StreamResponse) -> None:
    """Headers of every answer, streams too."""
    response.headers[REQUEST_ID_HEADER] = request[_REQUEST_ID]
    response.headers["Cache-Control"] = "no-store"


@web.middleware
async def _answer_all(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every answer has a request id and is kept by no cache; every error is JSON of one shape."""
    request_id = request[_REQUEST_ID] = ids.request_id()
    started = time.monotonic()
    try:
        response = await handler(request)
    except Exception as error:
        response = _error_response(error, request, request_id)
    _log.info(
        "call",
        request_id=request_id,
        method=request.method,
        path=request.rel_url.raw_path,
        status=response.status,
        elapsed_ms=round((time.monotonic() - started) * 1000),
    )
    return response


def _error_response(error: Exception, request: web.Request, request_id: str) -> web.Response:
    told = errors.answer(error)
    if told is None:
        _log.error("unexpected", request_id=request_id, method=request.method, exc_info=error)
        told = (
            500,
            errors.document(
                "InternalError",
                "The server failed in a way that nobody foresaw.",
                f"Its log says more under request {request_id}.",
            ),
        )
    status, body = told
    response = web.Response(status=status, body=_encoder.encode(body), content_type="application/json")
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="bucketry"'
    if isinstance(error, web.HTTPMethodNotAllowed):
        response.headers["Allow"] = ", ".join(sorted(error.allowed_methods))
    return response
