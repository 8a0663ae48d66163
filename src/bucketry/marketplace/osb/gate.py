"""What every request of the broker API passes: credentials, version, identities.

Open Service Broker API 2.17, "Authentication", "API Version Header", "Originating Identity", "Request Identity".

Credentials come first, so that nobody learns what exists; the version next. A request that is refused here has changed
nothing, since no handler has seen it.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from bucketry.kernel import logs
from bucketry.marketplace.access.tokens import BasicCredentials
from bucketry.marketplace.osb.errors import REFUSAL, BadRequest, Unauthorized, UnsupportedVersion

VERSION_HEADER = "X-Broker-API-Version"
REQUEST_IDENTITY_HEADER = "X-Broker-API-Request-Identity"
ORIGINATING_IDENTITY_HEADER = "X-Broker-API-Originating-Identity"

_VERSION = re.compile(r"([0-9]{1,9})\.([0-9]{1,9})")
_MAJOR = 2
_IDENTITY_CHARACTERS = 8192
_USER_CHARACTERS = 255

_IS_LET_IN: web.RequestKey[bool] = web.RequestKey("is_let_in", bool)

_log = logs.get("osb")


@dataclass(frozen=True, slots=True)
class OriginatingIdentity:
    """Who on the platform caused the request; the platform vouches for it, not we."""

    platform: str
    value: dict[str, Any]

    @property
    def user(self) -> str | None:
        """Cloud Foundry's `user_id`, Kubernetes' `username`; None of platforms that name their users otherwise."""
        user = self.value.get("user_id", self.value.get("username"))
        return user[:_USER_CHARACTERS] if isinstance(user, str) else None


def request_identity() -> Middleware:
    """Send the request's identity back unchanged, on errors too: so this goes around all that may fail."""

    @web.middleware
    async def echo(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        identity = request.headers.get(REQUEST_IDENTITY_HEADER)
        if identity and identity.isprintable():  # what is no text could not be sent
            response.headers[REQUEST_IDENTITY_HEADER] = identity
        return response

    return echo


def gate(credentials: BasicCredentials) -> Middleware:
    """Let in who has the broker's credentials and speaks a version 2.x."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        headers = request.headers.getall("Authorization", [])
        actor = credentials.actor(headers[0]) if len(headers) == 1 else None
        if actor is None:
            raise Unauthorized("The broker's user name and password are needed (HTTP basic authentication).")
        _check_version(request.headers.get(VERSION_HEADER))
        request[_IS_LET_IN] = True
        return await handler(request)

    return check


def journal() -> Middleware:
    """Write down what was ordered, by whom, and what came of it; this goes around what makes answers of errors."""

    @web.middleware
    async def write(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        if request.get(_IS_LET_IN) and request.method not in ("GET", "HEAD"):
            identity = originating_identity(request)
            _log.info(
                "order",
                method=request.method,
                path=request.path,
                status=response.status,
                reason=request.get(REFUSAL),
                platform=identity.platform if identity else None,
                user=identity.user if identity else None,
                request_identity=request.headers.get(REQUEST_IDENTITY_HEADER),
            )
        return response

    return write


def _check_version(text: str | None) -> None:
    """Any 2.x is served, newer minor versions too: they only add what may be ignored."""
    if text is None:
        raise BadRequest(f"The header {VERSION_HEADER} is missing; it names the version of the API, 2.17 for one.")
    version = _VERSION.fullmatch(text.strip())
    if version is None:
        raise BadRequest(f"The header {VERSION_HEADER} must be MAJOR.MINOR, 2.17 for one.")
    if int(version[1]) != _MAJOR:
        raise UnsupportedVersion("This broker speaks version 2.17 of the API, and every other 2.x.")


def originating_identity(request: web.Request) -> OriginatingIdentity | None:
    """The header's `PLATFORM BASE64`; None where there is none or it can't be read, which is no reason to refuse."""
    text = request.headers.get(ORIGINATING_IDENTITY_HEADER, "")
    platform, _, encoded = text.strip().partition(" ")
    if not encoded or len(text) > _IDENTITY_CHARACTERS:
        return None
    try:
        value = json.loads(base64.b64decode(encoded.strip(), validate=True))
    except (binascii.Error, ValueError, RecursionError):
        return None
    return OriginatingIdentity(platform, value) if isinstance(value, dict) else None
