"""The Condition element: which operator, on which key, with which values, and what it answers for a request.

Follows "Condition operators", "Conditions with multiple context keys or values" and "Single-valued vs. multivalued
context keys" of the IAM User Guide:

* Keys and operators are joined by AND; the values of one key by OR, under a negated operator by NOR.
* A key that the request does not have: false; true for negated operators, for `…IfExists`, and for `ForAllValues:`;
  false for `ForAnyValue:` without IfExists, negated or not. `Null` asks for just that.
* `ForAllValues:` holds when each value of the request passes, `ForAnyValue:` when one does. The negation is inside:
  `ForAnyValue:StringNotEquals` holds when one value is outside the list. A key with nothing but empty strings counts
  as missing for these two, as AWS says.

Where AWS leaves it open, or where an answer cannot be had, a condition fails closed: what cannot be decided doesn't
let an Allow match and lets a Deny match. This holds for
* a value of the request that is not of the operator's type (a number that is none, an address that is none), negated
  or not;
* a negated operator whose policy value has an unresolved variable (AWS: the negation holds; that is kept for Deny and
  refused for Allow; without negation an unresolved variable matches nothing, for both);
* several values under an operator without a set prefix, when they disagree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from bucketry.store.policy import values
from bucketry.store.policy.malformed import MalformedPolicy, shown
from bucketry.store.policy.operators import OPERATORS
from bucketry.store.policy.variables import Context, text_of

Test = Callable[[Context], bool]

_FOR_ANY = "ForAnyValue"
_FOR_ALL = "ForAllValues"
_IF_EXISTS = "IfExists"


@dataclass(frozen=True, slots=True)
class Condition:
    """One operator on one key. `operator` is its name without prefix and suffix, `key` lower-cased, `listed` the
    policy's values as text.
    """

    operator: str
    key: str
    listed: tuple[str, ...]
    set_prefix: str | None
    if_exists: bool
    holds: Test = field(compare=False, repr=False)


def parse_condition(name: str, key: str, listed: tuple[str, ...], *, variables: bool, deny: bool) -> Condition:
    """Compile one operator on one key; `deny` tells which way it fails when it cannot be decided.

    Raises MalformedPolicy for an unknown operator and for values that are not of its type.
    """
    prefix, colon, rest = name.partition(":")
    set_prefix = prefix if colon else None
    bare = rest if colon else name
    if_exists = bare.endswith(_IF_EXISTS)
    bare = bare.removesuffix(_IF_EXISTS)
    key = key.lower()
    if bare == "Null" and not if_exists and set_prefix is None:
        return Condition(bare, key, listed, None, False, _null(key, listed))
    if bare not in OPERATORS or set_prefix not in (None, _FOR_ANY, _FOR_ALL):
        raise MalformedPolicy(f"Invalid Condition type : {shown(name)}")
    make, negated = OPERATORS[bare]
    compare = make(listed, variables)
    when_missing = if_exists or set_prefix == _FOR_ALL or (negated and set_prefix is None)
    meaning = (True, False, deny, deny) if negated else (False, True, deny, False)
    every = set_prefix == _FOR_ALL or (set_prefix is None and not deny)

    def single(context: Context) -> bool:
        value = context.get(key)
        if type(value) is str:
            return meaning[compare(value, context)]
        return several(context)

    def several(context: Context) -> bool:
        found = _values(context, key)
        if not found or (set_prefix is not None and not any(found)):
            return when_missing
        results = [meaning[compare(value, context)] for value in found]
        return all(results) if every else any(results)

    return Condition(bare, key, listed, set_prefix, if_exists, several if set_prefix else single)


def _null(key: str, listed: tuple[str, ...]) -> Test:
    wanted = frozenset(values.truth(text) for text in listed)
    if None in wanted:
        raise MalformedPolicy("Policy has an invalid Boolean in a condition: Null takes true or false")
    return lambda context: (not _values(context, key)) in wanted


def _values(context: Context, key: str) -> list[str]:
    value = context.get(key)
    if value is None:
        return []
    if isinstance(value, (list, tuple, set, frozenset)):
        return [text_of(each) for each in value]
    return [text_of(value)]
