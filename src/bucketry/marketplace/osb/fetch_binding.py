"""GET /v2/service_instances/:instance_id/service_bindings/:binding_id ("Fetching a Service Binding")."""

from __future__ import annotations

from aiohttp import web

from bucketry.marketplace.domain.marketplace import Marketplace
from bucketry.marketplace.osb import requests
from bucketry.marketplace.osb.binding_document import document
from bucketry.marketplace.web.answers import json_answer


async def fetch_binding(request: web.Request, marketplace: Marketplace) -> web.StreamResponse:
    """200 as bound, 404 for what is unknown, still being made, being removed, or another instance's."""
    instance_guid, guid = requests.instance_id(request), requests.binding_id(request)
    binding = await marketplace.bindings.get(guid, instance_guid)
    credentials = await marketplace.bindings.credentials(binding)
    return json_answer({**document(binding, credentials), "parameters": dict(binding.parameters)})
