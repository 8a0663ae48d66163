"""HTTP statuses of the domain's errors, by kind. One list for all faces; a face may know better for a few."""

from __future__ import annotations

from bucketry.marketplace.domain import errors

_STATUSES: tuple[tuple[type[errors.DomainError], int], ...] = (
    (errors.Invalid, 400),
    (errors.NotFound, 404),
    (errors.NotAllowed, 403),
    (errors.Conflict, 409),
    (errors.EngineRefused, 422),
    (errors.EngineUnavailable, 502),
)


def status_of(error: errors.DomainError) -> int:
    """400 invalid, 403 not allowed, 404 not found, 409 conflict, 422 refused by the engine, 502 engine unavailable."""
    return next(status for kind, status in _STATUSES if isinstance(error, kind))
