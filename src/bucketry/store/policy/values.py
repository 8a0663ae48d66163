"""Values that conditions compare: numbers, dates, truth values, addresses, bytes. Each reader answers None for what
it cannot read.

Formats after "Condition operators" of the IAM User Guide: numbers are integers or decimals; dates are the W3C profile
of ISO 8601 or Unix time in seconds; addresses are IPv4 or IPv6, alone or with a prefix length; bytes are base64.
"""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NUMBER = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?")
_EPOCH = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,9})?")
_DATE = re.compile(
    r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2})"
    r"(?:T([0-9]{2}):([0-9]{2})(?::([0-9]{2})(\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?)?)?"
)
_MAPPED_BITS = 96
"""Bits before the IPv4 address in ::ffff:0:0/96, the IPv4-mapped addresses of RFC 4291."""


def number(text: str) -> Decimal | None:
    """A decimal number, exact."""
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def date(text: str) -> Decimal | None:
    """A date as seconds since 1970 in UTC. Four digits are a year, as in W3C's profile; a date without a zone is
    taken as UTC.
    """
    found = _DATE.fullmatch(text)
    if not found:
        return Decimal(text) if _EPOCH.fullmatch(text) else None
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    try:
        moment = datetime(
            int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=UTC
        )
        whole = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    except ValueError:
        return None
    return Decimal(whole - _offset_seconds(zone)) + Decimal(fraction or 0)


def _offset_seconds(zone: str | None) -> int:
    if zone is None or zone == "Z":
        return 0
    seconds = int(zone[1:3]) * 3600 + int(zone[-2:]) * 60
    return -seconds if zone[0] == "-" else seconds


def truth(text: str) -> bool | None:
    """`true` or `false` in any case."""
    return {"true": True, "false": False}.get(text.lower())


@lru_cache(maxsize=4096)
def address(text: str) -> Address | None:
    """An IP address. IPv4-mapped IPv6 is the IPv4 address it stands for, else a dual-stack socket would get around a
    rule for IPv4.
    """
    try:
        found = ip_address(text)
    except ValueError:
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found


def network(text: str) -> Network | None:
    """An address range in CIDR form, or one address. Bits behind the prefix are ignored."""
    try:
        found = ip_network(text, strict=False)
    except ValueError:
        return None
    if isinstance(found, IPv6Network) and found.prefixlen >= _MAPPED_BITS:
        mapped = found.network_address.ipv4_mapped
        if mapped is not None:
            return IPv4Network((mapped, found.prefixlen - _MAPPED_BITS))
    return found


def decoded(text: str) -> bytes | None:
    """The bytes behind a base64 text."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
