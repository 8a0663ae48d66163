"""Bodies of requests: bounded, and JSON in the strict sense of RFC 8259 and I-JSON (RFC 7493).

Refused are duplicate names, NaN and infinities (1e999 among them), lone surrogates, NUL, and nesting no order needs:
what two readers could take differently, or what a database or a thread's stack does not bear.
"""

from __future__ import annotations

import json
import math
from typing import Any

from aiohttp import web

MAX_BODY_SIZE_BYTES = 1024 * 1024
MAX_DEPTH = 64


class MalformedBody(Exception):
    """The body is not the JSON it has to be; the text says why."""


async def read_json_object(request: web.Request) -> dict[str, Any]:
    """The body as a JSON object, whatever its declared type. Raises MalformedBody, web.HTTPRequestEntityTooLarge."""
    value = parse_json(await request.read())
    if not isinstance(value, dict):
        raise MalformedBody("The body must be a JSON object.")
    return value


def parse_json(text: bytes) -> Any:
    """Raises MalformedBody."""
    if not text.strip():
        raise MalformedBody("The body is empty; it must be a JSON object.")
    try:
        value = _decoder.decode(text.decode())
    except UnicodeDecodeError:
        raise MalformedBody("The body is not UTF-8.") from None
    except RecursionError:
        raise MalformedBody(f"The body is nested deeper than {MAX_DEPTH} levels.") from None
    except json.JSONDecodeError as error:
        raise MalformedBody(f"The body is not JSON: {error.msg} at character {error.pos}.") from None
    except ValueError:  # an integer of thousands of digits
        raise MalformedBody("The body holds a number that is too large.") from None
    _check(value)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise MalformedBody("The body gives a name twice in one object.")
    return found


def _constant(name: str) -> Any:
    raise MalformedBody(f"The body holds {name}, which is not JSON.")


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise MalformedBody("The body holds a number that is too large.")
    return value


_decoder = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_float=_float)


def _check(value: Any) -> None:
    """Depth and texts, without recursion."""
    level = [value]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for item in level:
            if isinstance(item, str):
                _check_text(item)
            elif isinstance(item, list):
                below += item
            elif isinstance(item, dict):
                below += item.keys()
                below += item.values()
        if not below:
            return
        level = below
    raise MalformedBody(f"The body is nested deeper than {MAX_DEPTH} levels.")


def _check_text(text: str) -> None:
    if "\0" in text:
        raise MalformedBody("The body holds a NUL character.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise MalformedBody("The body holds half of a surrogate pair.") from None
