"""The API as an aiohttp application: who may call, errors in one shape, answers in JSON."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from bucketry.marketplace.access.tokens import Actor, BearerToken
from bucketry.marketplace.domain.marketplace import Marketplace
from bucketry.marketplace.manage import errors
from bucketry.marketplace.manage.call import Answer, Call
from bucketry.marketplace.manage.errors import ApiError
from bucketry.marketplace.manage.routes import ROUTES, Route
from bucketry.marketplace.web.answers import json_answer
from bucketry.marketplace.web.json_body import MAX_BODY_SIZE_BYTES
from bucketry.marketplace.web.middlewares import answering

_ACTOR: web.RequestKey[Actor] = web.RequestKey("actor", Actor)


def make_manage_app(marketplace: Marketplace, token: BearerToken, version: str) -> web.Application:
    """The application, to be mounted at routes.API_ROOT (`add_subapp`). `version` is what GET /info tells."""
    app = web.Application(
        middlewares=[answering(errors.answer_to), _authentication(token)], client_max_size=MAX_BODY_SIZE_BYTES
    )
    for route in ROUTES:
        app.router.add_route(route.method, route.path, _handler(route, marketplace, version))
    return app


def _handler(route: Route, marketplace: Marketplace, version: str) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        answer = await route.handler(Call(request, marketplace, request[_ACTOR], route.body, version))
        if not isinstance(answer, Answer):
            return answer
        return (
            json_answer(answer.value, answer.status) if answer.value is not None else web.Response(status=answer.status)
        )

    return handle


def _authentication(token: BearerToken) -> Middleware:
    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Nobody is told what exists, not even which calls there are, before it is known who asks."""
        header = request.headers.get("Authorization")
        actor = token.actor(header)
        if actor is None:
            raise ApiError(
                401,
                "InvalidToken",
                "The request has no bearer token." if header is None else "This server does not know the token.",
                "Use the `token` in the admin.json of this server's data folder (--data, or BUCKETRY_TOKEN).",
            )
        request[_ACTOR] = actor
        return await handler(request)

    return check
