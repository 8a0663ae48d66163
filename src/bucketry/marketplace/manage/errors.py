"""Errors of the JSON API: one shape, `{"error": {"code", "message", "remedy", …}}`, with a status that fits.

The domain's errors are translated here and nowhere else in this face. `message` says what happened, `remedy` what to do
where the message does not say it already.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from bucketry.marketplace.domain import errors as domain


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


# The first that fits counts: what is special stands before what is general.
_STATUS: tuple[tuple[type[domain.DomainError], int], ...] = (
    (domain.UnknownService, 404),
    (domain.UnknownPlan, 404),
    (domain.Invalid, 422),
    (domain.NotFound, 404),
    (domain.NotAllowed, 403),
    (domain.Conflict, 409),
    (domain.EngineRefused, 502),
    (domain.EngineUnavailable, 502),
)


def status_of(error: domain.DomainError) -> int:
    """The status that a domain's error has here."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def document(code: str, message: str, remedy: str = "", details: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The body of an error."""
    return {"error": {"code": code, "message": message, "remedy": remedy, **(details or {})}}


def answer(error: Exception) -> tuple[int, dict[str, Any]] | None:
    """Status and body for an error; None for one that nobody foresaw."""
    if isinstance(error, ApiError):
        return error.status, document(error.code, error.message, error.remedy)
    if isinstance(error, domain.DomainError):
        return status_of(error), document(error.code, str(error), details=error.details)
    if isinstance(error, web.HTTPNotFound):
        return 404, document("NoSuchRoute", "There is no such call in this API.", "See docs/api.md for what there is.")
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return 405, document("MethodNotAllowed", f"{error.method} is not possible here.", f"Possible are: {allowed}.")
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return 413, document("TooLarge", "The body of the request is larger than 1 MiB.")
    if isinstance(error, web.HTTPException):
        return error.status, document("InvalidRequest", error.reason or "The request can't be read.")
    return None
