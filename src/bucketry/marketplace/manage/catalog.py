"""What the server is, and what can be ordered."""

from __future__ import annotations

from bucketry.marketplace.domain import schemas
from bucketry.marketplace.manage import views
from bucketry.marketplace.manage.call import Answer, Call

API_VERSION = "1"


async def info(call: Call) -> Answer:
    """The server's version, and who asks."""
    return Answer(
        200, {"name": "bucketry", "version": call.version, "api_version": API_VERSION, "user": call.actor.name}
    )


async def services(call: Call) -> Answer:
    """Services with their plans, prices and schemas."""
    published = schemas.published()
    return Answer(200, [views.service(service, published) for service in call.marketplace.catalog.services])
