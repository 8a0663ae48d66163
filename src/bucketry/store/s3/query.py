"""The query of a request, decoded. RFC 3986, section 3.4, with the encoding of forms (`+` is a space)."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from .errors import InvalidArgument, InvalidURI

MAX_PARAMETERS = 256  # no operation takes more than a few; what is beyond is an attack or a mistake

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def parse_query(raw_query: str) -> dict[str, str]:
    """The parameters in the order sent, the first value of each name; a name without `=` has "".

    InvalidURI for a broken escape or bytes that aren't UTF-8, InvalidArgument for too many parameters.
    """
    parameters: dict[str, str] = {}
    pieces = raw_query.split("&", MAX_PARAMETERS + 1)
    if len(pieces) > MAX_PARAMETERS:
        raise InvalidArgument("The request has too many query parameters.")
    for piece in pieces:
        if piece:
            name, _, value = piece.partition("=")
            parameters.setdefault(_decode(name), _decode(value))
    return parameters


def _decode(raw: str) -> str:
    if "%" not in raw and "+" not in raw and raw.isascii():
        return raw
    if _BAD_ESCAPE.search(raw):
        raise InvalidURI("The query holds a percent sign that begins no escape.")
    try:
        return unquote_to_bytes(raw.replace("+", " ").encode("utf-8", "surrogateescape")).decode("utf-8")
    except UnicodeError:
        raise InvalidURI("The query is not UTF-8.") from None
