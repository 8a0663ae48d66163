"""The Open Service Broker API, 2.17, as an application: its ten routes and what each request passes on its way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Handler

from bucketry.marketplace.access.tokens import BasicCredentials
from bucketry.marketplace.domain.marketplace import Marketplace
from bucketry.marketplace.osb import catalog, errors, gate, promising
from bucketry.marketplace.osb.bind import bind
from bucketry.marketplace.osb.deprovision import deprovision
from bucketry.marketplace.osb.fetch_binding import fetch_binding
from bucketry.marketplace.osb.fetch_instance import fetch_instance
from bucketry.marketplace.osb.last_operation import last_operation_of_binding, last_operation_of_instance
from bucketry.marketplace.osb.provision import provision
from bucketry.marketplace.osb.unbind import unbind
from bucketry.marketplace.osb.update import update
from bucketry.marketplace.web.json_body import MAX_BODY_SIZE_BYTES
from bucketry.marketplace.web.middlewares import answering

Call = Callable[[web.Request, Marketplace], Awaitable[web.StreamResponse]]

_INSTANCE = "/service_instances/{instance_id}"
_BINDING = _INSTANCE + "/service_bindings/{binding_id}"

# Below ROOT, beside GET /catalog.
ROUTES: tuple[tuple[str, str, Call], ...] = (
    ("PUT", _INSTANCE, provision),
    ("GET", _INSTANCE, fetch_instance),
    ("PATCH", _INSTANCE, update),
    ("DELETE", _INSTANCE, deprovision),
    ("GET", _INSTANCE + "/last_operation", last_operation_of_instance),
    ("PUT", _BINDING, bind),
    ("GET", _BINDING, fetch_binding),
    ("DELETE", _BINDING, unbind),
    ("GET", _BINDING + "/last_operation", last_operation_of_binding),
)

ROOT = "/v2"


def make_osb_app(
    marketplace: Marketplace, credentials: BasicCredentials, patience_s: float = promising.PATIENCE_S
) -> web.Application:
    """The application, to be mounted at ROOT: `main.add_subapp(osb.app.ROOT, make_osb_app(…))`. `patience_s` is for
    tests."""
    app = web.Application(
        middlewares=[
            gate.request_identity(),
            gate.journal(),
            answering(errors.answer_to),
            gate.gate(credentials),
        ],
        client_max_size=MAX_BODY_SIZE_BYTES,
    )
    app[promising.PATIENCE] = patience_s
    app.router.add_get("/catalog", catalog.handler(marketplace.catalog))
    for method, path, call in ROUTES:
        app.router.add_route(method, path, _handler(call, marketplace))
    return app


def _handler(call: Call, marketplace: Marketplace) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        return await call(request, marketplace)

    return handle
