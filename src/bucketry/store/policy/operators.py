"""The condition operators: each compares one value of the request with all values that a policy lists for a key.

A comparison answers one of four outcomes, as small integers so that `conditions` can look up what they mean for the
statement: NO, YES, UNREADABLE (the request's value is not of the operator's type) and UNRESOLVED (nothing matched,
and a variable among the policy's values has no value). Negated operators are the same comparisons, turned around by
`conditions`. Follows "Condition operators" of the IAM User Guide.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from decimal import Decimal
from typing import Final, TypeVar

from bucketry.store.policy import values
from bucketry.store.policy.malformed import MalformedPolicy, shown
from bucketry.store.policy.patterns import STAR, Matcher, Token, compile_any, compile_tokens, split_at_colons
from bucketry.store.policy.variables import Context, Template, parse_template

NO: Final = 0
YES: Final = 1
UNREADABLE: Final = 2
UNRESOLVED: Final = 3

Comparison = Callable[[str, Context], int]
"""(a value of the request, the request's context) → an outcome."""

Maker = Callable[[tuple[str, ...], bool], Comparison]
"""(the policy's values, whether variables are expanded) → a comparison. Raises MalformedPolicy for values of the
wrong type.
"""

_ARN_COLONS = 5

_Value = TypeVar("_Value")


def _string(*, wildcards: bool, fold: bool) -> Maker:
    def make(listed: tuple[str, ...], variables: bool) -> Comparison:
        templates = [parse_template(text, variables=variables, wildcards=wildcards) for text in listed]
        static = [template.tokens() for template in templates if not template.has_variables]
        known = compile_any([_folded(tokens) for tokens in static] if fold else static)
        dynamic = [template for template in templates if template.has_variables]
        if fold:
            return _with_variables(lambda value: known(value.lower()), dynamic, _match_folded)
        return _with_variables(known, dynamic, _match)

    return make


def _folded(tokens: tuple[Token, ...]) -> tuple[Token, ...]:
    return tuple(token.lower() if isinstance(token, str) else token for token in tokens)


def _match(value: str, tokens: tuple[Token, ...]) -> bool:
    return compile_tokens(tokens)(value)


def _match_folded(value: str, tokens: tuple[Token, ...]) -> bool:
    return compile_tokens(_folded(tokens))(value.lower())


def _with_variables(
    known: Matcher, dynamic: list[Template], match: Callable[[str, tuple[Token, ...]], bool]
) -> Comparison:
    if not dynamic:
        return lambda value, _context: known(value)

    def compare(value: str, context: Context) -> int:
        if known(value):
            return YES
        outcome = NO
        for template in dynamic:
            tokens = template.resolve(context)
            if tokens is None:
                outcome = UNRESOLVED
            elif match(value, tokens):
                return YES
        return outcome

    return compare


def _arn(listed: tuple[str, ...], variables: bool) -> Comparison:
    templates = [parse_template(text, variables=variables, wildcards=True) for text in listed]
    for template, text in zip(templates, listed, strict=True):
        if not template.has_variables and template.parts != (STAR,) and not _is_arn(template.tokens()):
            raise MalformedPolicy(f"Policy has an invalid ARN in a condition: {shown(text)}")
    static = [_arn_matcher(template.tokens()) for template in templates if not template.has_variables]
    dynamic = [template for template in templates if template.has_variables]
    compare = _with_variables(
        lambda value: any(match(value) for match in static), dynamic, lambda value, tokens: _arn_matcher(tokens)(value)
    )
    return lambda value, context: compare(value, context) if value.count(":") >= _ARN_COLONS else UNREADABLE


def _is_arn(tokens: tuple[Token, ...]) -> bool:
    fields = split_at_colons(tokens, _ARN_COLONS)
    return len(fields) == _ARN_COLONS + 1 and compile_tokens(fields[0])("arn")


def _arn_matcher(tokens: tuple[Token, ...]) -> Matcher:
    """Each of the six parts is matched alone, so that a star never reaches over one of the first five colons."""
    if tokens == (STAR,):
        return lambda value: value.startswith("arn:")
    fields = [compile_tokens(field) for field in split_at_colons(tokens, _ARN_COLONS)]

    def match(value: str) -> bool:
        parts = value.split(":", _ARN_COLONS)
        return len(parts) == len(fields) and all(field(part) for field, part in zip(fields, parts, strict=True))

    return match


def _read(read: Callable[[str], _Value | None], text: str, kind: str) -> _Value:
    found = read(text)
    if found is None:
        raise MalformedPolicy(f"Policy has an invalid {kind} in a condition: {shown(text)}")
    return found


def _ordered(read: Callable[[str], Decimal | None], kind: str, holds: Callable[[Decimal, Decimal], bool]) -> Maker:
    def make(listed: tuple[str, ...], variables: bool) -> Comparison:
        limits = [_read(read, text, kind) for text in listed]

        def compare(value: str, context: Context) -> int:
            found = read(value)
            return UNREADABLE if found is None else any(holds(found, limit) for limit in limits)

        return compare

    return make


def _bool(listed: tuple[str, ...], variables: bool) -> Comparison:
    templates = [parse_template(text, variables=variables, wildcards=False) for text in listed]
    dynamic = [template for template in templates if template.has_variables]
    fixed = [text for template, text in zip(templates, listed, strict=True) if not template.has_variables]
    wanted = frozenset(_read(values.truth, text, "Boolean") for text in fixed)
    compare = _with_variables(lambda value: values.truth(value) in wanted, dynamic, _match_folded)
    return lambda value, context: UNREADABLE if values.truth(value) is None else compare(value, context)


def _binary(listed: tuple[str, ...], variables: bool) -> Comparison:
    wanted = frozenset(_read(values.decoded, text, "base64 value") for text in listed)

    def compare(value: str, context: Context) -> int:
        found = values.decoded(value)
        return UNREADABLE if found is None else found in wanted

    return compare


def _ip(listed: tuple[str, ...], variables: bool) -> Comparison:
    ranges: dict[int, list[tuple[int, int]]] = {4: [], 6: []}
    for text in listed:
        network = values.network(text)
        if network is None:
            raise MalformedPolicy(f"Policy has an invalid IP address in a condition: {shown(text)}")
        ranges[network.version].append((int(network.network_address), int(network.netmask)))

    def compare(value: str, context: Context) -> int:
        found = values.address(value)
        if found is None:
            return UNREADABLE
        bits = int(found)
        return any(bits & mask == start for start, mask in ranges[found.version])

    return compare


_EXACT = _string(wildcards=False, fold=False)
_EXACT_FOLDED = _string(wildcards=False, fold=True)
_LIKE = _string(wildcards=True, fold=False)

OPERATORS: Final[dict[str, tuple[Maker, bool]]] = {
    "StringEquals": (_EXACT, False),
    "StringNotEquals": (_EXACT, True),
    "StringEqualsIgnoreCase": (_EXACT_FOLDED, False),
    "StringNotEqualsIgnoreCase": (_EXACT_FOLDED, True),
    "StringLike": (_LIKE, False),
    "StringNotLike": (_LIKE, True),
    "NumericEquals": (_ordered(values.number, "number", operator.eq), False),
    "NumericNotEquals": (_ordered(values.number, "number", operator.eq), True),
    "NumericLessThan": (_ordered(values.number, "number", operator.lt), False),
    "NumericLessThanEquals": (_ordered(values.number, "number", operator.le), False),
    "NumericGreaterThan": (_ordered(values.number, "number", operator.gt), False),
    "NumericGreaterThanEquals": (_ordered(values.number, "number", operator.ge), False),
    "DateEquals": (_ordered(values.date, "date", operator.eq), False),
    "DateNotEquals": (_ordered(values.date, "date", operator.eq), True),
    "DateLessThan": (_ordered(values.date, "date", operator.lt), False),
    "DateLessThanEquals": (_ordered(values.date, "date", operator.le), False),
    "DateGreaterThan": (_ordered(values.date, "date", operator.gt), False),
    "DateGreaterThanEquals": (_ordered(values.date, "date", operator.ge), False),
    "Bool": (_bool, False),
    "BinaryEquals": (_binary, False),
    "IpAddress": (_ip, False),
    "NotIpAddress": (_ip, True),
    "ArnEquals": (_arn, False),
    "ArnLike": (_arn, False),
    "ArnNotEquals": (_arn, True),
    "ArnNotLike": (_arn, True),
}
"""Operator → how its comparison is made, and whether it is negated. `Null` compares no value and lives in
`conditions`.
"""
