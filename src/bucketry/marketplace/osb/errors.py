"""The errors of the Open Service Broker API, 2.17, "Service Broker Errors": one body, `{error?, description}`.

A platform shows `description` to the person who ordered. `error` is given where a platform acts on it (AsyncRequired,
ConcurrencyError, RequiresApp, MaintenanceInfoConflict) or where a program could. Nothing else formats errors here.
"""

from __future__ import annotations

from typing import Any, ClassVar

from aiohttp import web

from bucketry.marketplace.domain import errors as domain
from bucketry.marketplace.domain.record_ports import RecordsUnavailable
from bucketry.marketplace.web.answers import json_answer
from bucketry.marketplace.web.json_body import MalformedBody
from bucketry.marketplace.web.middlewares import UnforeseenFailure
from bucketry.marketplace.web.statuses import status_of

REFUSAL: web.RequestKey[str] = web.RequestKey("refusal", str)  # why the request was refused, for the log


class OsbError(Exception):
    """The base: `status`, `code`, and a sentence as text."""

    status: ClassVar[int] = 500
    code: ClassVar[str | None] = None

    def fields(self) -> dict[str, Any]:
        """More members of the body."""
        return {}


class BadRequest(OsbError):
    status = 400
    code = "BadRequest"


class Unauthorized(OsbError):
    status = 401
    code = "Unauthorized"


class NotFound(OsbError):
    status = 404
    code = "NotFound"


class Conflict(OsbError):
    """The same id with other attributes."""

    status = 409
    code = "Conflict"


class Gone(OsbError):
    """What is to be deleted is not there: 410, and never anything else."""

    status = 410
    code = "Gone"


class UnsupportedVersion(OsbError):
    status = 412
    code = "UnsupportedVersion"


class AsyncRequired(OsbError):
    """It takes longer than a platform waits: it has to be asked for with `accepts_incomplete=true`."""

    status = 422
    code = "AsyncRequired"


class ConcurrencyError(OsbError):
    """Another operation on the same thing is in progress; a platform tries again later."""

    status = 422
    code = "ConcurrencyError"


class MaintenanceInfoConflict(OsbError):
    """The platform's catalog is not the one served here any more."""

    status = 422
    code = "MaintenanceInfoConflict"


class UpdateRefused(OsbError):
    """The change can't be made, now or later; the instance goes on as it was."""

    status = 422

    def __init__(self, text: str, code: str) -> None:
        super().__init__(text)
        self._code = code

    def fields(self) -> dict[str, Any]:
        return {"error": self._code, "instance_usable": True, "update_repeatable": False}


class DeletionRefused(OsbError):
    """The instance can't be removed yet; it goes on as it was."""

    status = 422

    def __init__(self, text: str, code: str) -> None:
        super().__init__(text)
        self._code = code

    def fields(self) -> dict[str, Any]:
        return {"error": self._code, "instance_usable": True}


def answer_to(request: web.Request, error: Exception) -> web.StreamResponse | None:
    """The answer to a failure; None for what is not known here."""
    request[REFUSAL] = str(error)
    if isinstance(error, OsbError):
        answer = _body(error.status, error.code, str(error), error.fields())
        if isinstance(error, Unauthorized):
            answer.headers["WWW-Authenticate"] = 'Basic realm="bucketry broker", charset="UTF-8"'
        return answer
    if isinstance(error, MalformedBody):
        return _body(400, "MalformedBody", str(error))
    if isinstance(error, domain.Busy):
        return _body(ConcurrencyError.status, ConcurrencyError.code, str(error))
    if isinstance(error, domain.TakesLong):
        return _body(AsyncRequired.status, AsyncRequired.code, str(error))
    if isinstance(error, domain.DomainError):
        return _body(status_of(error), error.code, str(error))
    if isinstance(error, RecordsUnavailable):
        return _body(503, "RecordsUnavailable", str(error))
    if isinstance(error, UnforeseenFailure):
        return _body(500, "InternalError", str(error))
    if isinstance(error, web.HTTPException):
        answer = _body(error.status, error.reason.title().replace(" ", ""), _HTTP.get(error.status, error.reason + "."))
        if allow := error.headers.get("Allow"):
            answer.headers["Allow"] = allow
        return answer
    return None


_HTTP = {
    404: "The broker API has no such path.",
    405: "The broker API has this path, but not with this method.",
    413: "The body is larger than 1 MiB, the most that is taken here.",
}


def _body(status: int, code: str | None, description: str, more: dict[str, Any] | None = None) -> web.Response:
    body: dict[str, Any] = {"error": code, "description": description, **(more or {})}
    return json_answer({name: value for name, value in body.items() if value is not None}, status)
