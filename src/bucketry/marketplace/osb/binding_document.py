"""What is told of a finished binding, when it is made, rotated or fetched: its credentials, and when they end."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from bucketry.marketplace.domain import binding_rights
from bucketry.marketplace.domain.credentials import Credentials
from bucketry.marketplace.domain.values import Binding


def document(binding: Binding, credentials: Credentials) -> dict[str, Any]:
    """`metadata` (2.17, "Binding Metadata Object") where the credentials end by themselves."""
    body: dict[str, Any] = {"credentials": credentials}
    if (life := binding_rights.life_of(binding)) is not None:
        body["metadata"] = {"expires_at": _moment(life.ends_ms), "renew_before": _moment(life.renew_before_ms)}
    return body


def _moment(time_ms: int) -> str:
    """`yyyy-mm-ddThh:mm:ss.sZ`: readers of that form may insist on its fraction, of one digit."""
    tenths = time_ms // 100
    return f"{datetime.fromtimestamp(tenths // 10, UTC):%Y-%m-%dT%H:%M:%S}.{tenths % 10}Z"
