"""Every call of the API, as a table: the application is made from it, and docs/api.md is held against it.

Paths are below API_ROOT. An instance is named by org, space and name, or by its guid alone (then also one that a
foreign platform ordered).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec
from aiohttp import web

from bucketry.marketplace.manage import apps, bindings, catalog, emptying, instances, keys, places
from bucketry.marketplace.manage.call import Answer, Call

API_ROOT = "/api/v1"

_SPACE = "/orgs/{org}/spaces/{space}"
_BY_NAME = _SPACE + "/instances/{instance}"
_BY_GUID = "/instances/{guid}"


@dataclass(frozen=True, slots=True)
class Route:
    """`body`: what must be sent; None: nothing."""

    method: str
    path: str
    handler: Callable[[Call], Awaitable[Answer | web.StreamResponse]]
    body: type[msgspec.Struct] | None = None


def _of_instance(instance_path: str) -> tuple[Route, ...]:
    """What can be done with an instance, however it is named."""
    return (
        Route("GET", instance_path, instances.get_instance),
        Route("PATCH", instance_path, instances.update_instance, instances.InstanceChanges),
        Route("DELETE", instance_path, instances.delete_instance),
        Route("POST", instance_path + "/empty", emptying.empty_instance),
        Route("GET", instance_path + "/keys", keys.list_keys),
        Route("POST", instance_path + "/keys", keys.create_key, keys.NewKey),
        Route("GET", instance_path + "/keys/{key}", keys.get_key),
        Route("GET", instance_path + "/keys/{key}/credentials", keys.get_credentials),
        Route("DELETE", instance_path + "/keys/{key}", keys.delete_key),
        Route("GET", instance_path + "/bindings", bindings.list_bindings),
    )


ROUTES: tuple[Route, ...] = (
    Route("GET", "/info", catalog.info),
    Route("GET", "/catalog", catalog.services),
    Route("GET", "/orgs", places.list_orgs),
    Route("POST", "/orgs", places.create_org, places.NewPlace),
    Route("DELETE", "/orgs/{org}", places.delete_org),
    Route("GET", "/orgs/{org}/spaces", places.list_spaces),
    Route("POST", "/orgs/{org}/spaces", places.create_space, places.NewPlace),
    Route("DELETE", _SPACE, places.delete_space),
    Route("GET", _SPACE + "/apps", apps.list_apps),
    Route("GET", _SPACE + "/apps/{app}", apps.get_app),
    Route("PUT", _SPACE + "/apps/{app}", apps.put_app, apps.NewApp),
    Route("DELETE", _SPACE + "/apps/{app}", apps.delete_app),
    Route("GET", _SPACE + "/apps/{app}/env", apps.env),
    Route("GET", _SPACE + "/keys/{key}", keys.get_key_by_name),
    Route("GET", _SPACE + "/instances", instances.list_instances),
    Route("POST", _SPACE + "/instances", instances.create_instance, instances.NewInstance),
    *_of_instance(_BY_NAME),
    Route("PUT", _BY_NAME + "/bindings/{app}", bindings.bind_app, bindings.NewBinding),
    Route("DELETE", _BY_NAME + "/bindings/{app}", bindings.unbind_app),
    *_of_instance(_BY_GUID),
)
