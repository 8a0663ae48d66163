"""What the parameters of a binding say of its rights: `permissions`, `prefix`, `source_ip`, `expires_in`.

The schema (schemas.py) says what they look like; here is what it cannot say, and what they mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

from bucketry.marketplace.domain.engine_ports import Permissions, Rights
from bucketry.marketplace.domain.errors import InvalidParameters
from bucketry.marketplace.domain.values import Binding


@dataclass(frozen=True, slots=True)
class Life:
    """When credentials end by themselves, and by when another binding should have taken their place."""

    ends_ms: int
    renew_before_ms: int


_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
LEAST_LIFE_S, MOST_LIFE_S = 60, 10 * 366 * 86_400


def check(parameters: Mapping[str, Any]) -> None:
    """Raises InvalidParameters for what fits the schema and still means nothing."""
    for address in _addresses(parameters):
        _check_address(address)
    if "expires_in" in parameters and not LEAST_LIFE_S <= _life_s(parameters) <= MOST_LIFE_S:
        raise InvalidParameters(
            f"Parameter expires_in: {parameters['expires_in']!r} is out of range; from 60s to 3660d are possible."
        )


def of_binding(binding: Binding) -> Rights:
    """The rights that a binding was ordered with. An end is counted from its order, so that a repeat moves nothing."""
    parameters, life = binding.parameters, life_of(binding)
    return Rights(
        permissions=Permissions(parameters.get("permissions", Permissions.READ_WRITE.value)),
        prefix=parameters.get("prefix", ""),
        source_ips=tuple(_addresses(parameters)),
        ends_ms=life.ends_ms if life is not None else None,
    )


def life_of(binding: Binding) -> Life | None:
    """None: without end. The last quarter of a life is for renewing."""
    if "expires_in" not in binding.parameters:
        return None
    life_ms = _life_s(binding.parameters) * 1000
    return Life(binding.created_ms + life_ms, binding.created_ms + life_ms * 3 // 4)


def _addresses(parameters: Mapping[str, Any]) -> list[str]:
    given = parameters.get("source_ip", [])
    return [given] if isinstance(given, str) else list(given)


def _life_s(parameters: Mapping[str, Any]) -> int:
    text: str = parameters["expires_in"]
    return int(text[:-1]) * _UNITS_S[text[-1]]


def _check_address(text: str) -> None:
    try:
        if "/" not in text:
            ip_address(text)
            return
        ip_network(text)
    except ValueError:
        pass
    else:
        return
    try:
        meant = f"; did you mean {ip_network(text, strict=False)}?" if "/" in text else "."
    except ValueError:
        meant = "."
    raise InvalidParameters(
        f"Parameter source_ip: {text!r} is no address or range, as 192.0.2.7 and 192.0.2.0/24 are{meant}"
    )
