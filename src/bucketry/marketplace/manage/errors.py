"""Errors of the JSON API: one shape, `{"error": {"code", "message", "remedy", …}}`, with a status that fits.

The domain's errors are translated here and nowhere else in this face. `message` says what happened, `remedy` what to do
where the message does not say it already.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from bucketry.marketplace.domain import errors as domain
from bucketry.marketplace.domain.record_ports import RecordsUnavailable
from bucketry.marketplace.web import statuses
from bucketry.marketplace.web.answers import json_answer
from bucketry.marketplace.web.json_body import MalformedBody
from bucketry.marketplace.web.middlewares import UnforeseenFailure


class ApiError(Exception):
    """A request that this face refuses itself."""

    def __init__(self, status: int, code: str, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.remedy = remedy


def bad_request(message: str, remedy: str = "") -> ApiError:
    return ApiError(400, "InvalidRequest", message, remedy)


def status_of(error: domain.DomainError) -> int:
    """As for all faces, but that an unknown service or plan is not found here: callers name them, as they do apps."""
    if isinstance(error, domain.UnknownService | domain.UnknownPlan):
        return 404
    return statuses.status_of(error)


def document(code: str, message: str, remedy: str = "", details: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The body of an error."""
    return {"error": {"code": code, "message": message, "remedy": remedy, **(details or {})}}


def answer_to(_request: web.Request, error: Exception) -> web.Response | None:
    """The answer to an error; None for one that nobody foresaw."""
    match error:
        case ApiError():
            answer = json_answer(document(error.code, error.message, error.remedy), error.status)
            if error.status == 401:
                answer.headers["WWW-Authenticate"] = 'Bearer realm="bucketry"'
            return answer
        case domain.DomainError():
            return json_answer(document(error.code, str(error), details=error.details), status_of(error))
        case MalformedBody():
            return json_answer(document("InvalidRequest", str(error), "See docs/api.md for its fields."), 400)
        case RecordsUnavailable():
            return json_answer(document("RecordsUnavailable", str(error)), 503)
        case UnforeseenFailure():
            return json_answer(document("InternalError", str(error)), 500)
        case web.HTTPException():
            return _answer_to_http(error)
    return None


def _answer_to_http(error: web.HTTPException) -> web.Response:
    """What aiohttp itself refuses."""
    match error:
        case web.HTTPNotFound():
            body = document(
                "NoSuchRoute", "There is no such call in this API.", "docs/api.md has those that are there."
            )
            return json_answer(body, 404)
        case web.HTTPMethodNotAllowed():
            allowed = ", ".join(sorted(error.allowed_methods))
            body = document("MethodNotAllowed", f"{error.method} is not possible here.", f"Possible are: {allowed}.")
            answer = json_answer(body, 405)
            answer.headers["Allow"] = allowed
            return answer
        case web.HTTPRequestEntityTooLarge():
            return json_answer(document("TooLarge", "The body of the request is larger than 1 MiB."), 413)
    return json_answer(document("InvalidRequest", error.reason or "The request can't be read."), error.status)
