"""Answers: JSON, and the headers that each of them carries."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

_encoder = msgspec.json.Encoder()

# An API's answers are never pages, never stored, never framed.
SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Server": "bucketry",  # not which versions of what
    "X-Content-Type-Options": "nosniff",
}


def json_answer(value: Any, status: int = 200) -> web.Response:
    """An answer of `application/json`. Dataclasses and enums are written, too."""
    return web.Response(body=_encoder.encode(value), status=status, content_type="application/json")
