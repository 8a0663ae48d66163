"""A second evaluator, written from the specification and for nothing but to be obviously right: no compiling, no
caches, no shortcuts.

It works on the JSON document itself (as Python values) and shares no code with the package. Slow on purpose.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

ANYTHING, ONE = object(), object()
Pattern = list[Any]  # single characters, ANYTHING, ONE
ALLOW, EXPLICIT_DENY, IMPLICIT_DENY = "ALLOW", "EXPLICIT_DENY", "IMPLICIT_DENY"


def glob(pattern: Pattern, value: str) -> bool:
    """The textbook table: reached[j] tells whether the pattern so far takes value[:j]."""
    reached = [True] + [False] * len(value)
    for item in pattern:
        if item is ANYTHING:
            reached = [any(reached[: j + 1]) for j in range(len(value) + 1)]
        else:
            reached = [False] + [reached[j] and item in (ONE, value[j]) for j in range(len(value))]
    return reached[-1]


def as_list(value: object) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def pattern_of(text: str, context: Mapping[str, Any], version: str, wildcards: bool = True) -> Pattern | None:
    """The text as a pattern for one request; None when it has a variable without a value."""
    pattern: Pattern = []
    while text:
        variable = re.match(r"\$\{([^}',]+)(?:, *'([^']*)')?\}", text) if version == "2012-10-17" else None
        if text[:4] in ("${*}", "${?}", "${$}") and version == "2012-10-17":
            pattern.append(text[2])
            text = text[4:]
        elif variable:
            values = [] if context.get(variable[1].lower()) is None else as_list(context[variable[1].lower()])
            value = values[0] if len(values) == 1 else variable[2]
            if value is None:
                return None
            pattern.extend(value)
            text = text[variable.end() :]
        else:
            special = {"*": ANYTHING, "?": ONE} if wildcards else {}
            pattern.append(special.get(text[0], text[0]))
            text = text[1:]
    return pattern


def any_matches(texts: object, value: str, context: Mapping[str, Any], version: str) -> tuple[bool, bool]:
    """(one of them matches, one of them has a variable without value)"""
    patterns = [pattern_of(text, context, version) for text in as_list(texts)]
    return any(p is not None and glob(p, value) for p in patterns), None in patterns


def names_action(texts: object, action: str) -> bool:
    return any_matches([text.lower() for text in as_list(texts)], action.lower(), {}, "2008-10-17")[0]


# ---- conditions: True, False, or None for "cannot be decided"

NEGATED = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
    "NotIpAddress": "IpAddress",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
}


def number(text: str) -> Fraction | None:
    try:
        return Fraction(text)
    except ValueError:
        return None


def date(text: str) -> Fraction | None:
    if re.fullmatch(r"\d{4}", text):
        return Fraction(datetime(int(text), 1, 1, tzinfo=UTC).timestamp())
    if re.fullmatch(r"-?\d+(\.\d+)?", text):
        return Fraction(text)
    try:
        return Fraction(datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp())
    except ValueError:
        return None


def compare_numbers(operator: str, left: Fraction, right: Fraction) -> bool:
    kind = operator.removeprefix("Numeric").removeprefix("Date")
    if kind == "Equals":
        return left == right
    if kind.startswith("LessThan"):
        return left < right or (kind.endswith("Equals") and left == right)
    return left > right or (kind.endswith("Equals") and left == right)


def one_pair(operator: str, value: str, wanted: str, context: Mapping[str, Any], version: str) -> bool | str | None:
    """One value of the request against one of the policy: True, False, None (unreadable), "unresolved"."""
    if operator.startswith(("Numeric", "Date")):
        read = number if operator.startswith("Numeric") else date
        left, right = read(value), read(wanted)
        assert right is not None
        return None if left is None else compare_numbers(operator, left, right)
    if operator == "Bool":
        return value.lower() == wanted.lower() if value.lower() in ("true", "false") else None
    if operator == "IpAddress":
        try:
            return ipaddress.ip_address(value) in ipaddress.ip_network(wanted, strict=False)
        except ValueError:
            return None
    if operator.startswith("Arn"):
        if value.count(":") < 5:
            return None
        pattern = pattern_of(wanted, context, version)
        return "unresolved" if pattern is None else arn_matches(pattern, value)
    if operator == "StringEqualsIgnoreCase":
        value, context = value.lower(), {key: lowered(each) for key, each in context.items()}
        wanted = wanted.lower()
    pattern = pattern_of(wanted, context, version, wildcards=operator == "StringLike")
    return "unresolved" if pattern is None else glob(pattern, value)


def lowered(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else [each.lower() for each in value]


def arn_matches(pattern: Pattern, value: str) -> bool:
    fields: list[Pattern] = [[]]
    for item in pattern:
        if item == ":" and len(fields) < 6:
            fields.append([])
        else:
            fields[-1].append(item)
    parts = value.split(":", 5)
    return len(fields) == len(parts) and all(map(glob, fields, parts))


def one_value(
    operator: str, value: str, wanted: Sequence[str], deny: bool, context: Mapping[str, Any], version: str
) -> bool:
    base = NEGATED.get(operator, operator)
    results = [one_pair(base, value, each, context, version) for each in wanted]
    if True in results:
        return operator not in NEGATED
    if None in results:
        return deny
    if "unresolved" in results:
        return operator in NEGATED and deny
    return operator in NEGATED


def condition_holds(
    name: str, key: str, wanted: Sequence[str], deny: bool, context: Mapping[str, Any], version: str
) -> bool:
    found = context.get(key.lower())
    values = [] if found is None else as_list(found)
    if name == "Null":
        return any((not values) == (each == "true") for each in wanted)
    prefix, _, operator = name.rpartition(":")
    if prefix and all(value == "" for value in values):
        values = []
    if not values:
        if operator.endswith("IfExists") or prefix == "ForAllValues":
            return True
        return operator in NEGATED and prefix != "ForAnyValue"
    operator = operator.removesuffix("IfExists")
    results = [one_value(operator, value, wanted, deny, context, version) for value in values]
    if prefix == "ForAllValues":
        return all(results)
    if prefix == "ForAnyValue":
        return any(results)
    return any(results) if deny else all(results)


# ---- statements


def statement_matches(statement: Mapping[str, Any], version: str, request: Mapping[str, Any]) -> bool:
    action, resource, context = request["action"], request["resource"], request["context"]
    deny = statement["Effect"] == "Deny"
    if "Action" in statement and not names_action(statement["Action"], action):
        return False
    if "NotAction" in statement and names_action(statement["NotAction"], action):
        return False
    if "Resource" in statement and not any_matches(statement["Resource"], resource, context, version)[0]:
        return False
    if "NotResource" in statement:
        matches, unresolved = any_matches(statement["NotResource"], resource, context, version)
        if matches or (unresolved and not deny):
            return False
    return all(
        condition_holds(name, key, as_list(wanted), deny, context, version)
        for name, keys in statement.get("Condition", {}).items()
        for key, wanted in keys.items()
    )


def listed(element: object, entity: str) -> bool:
    if element == "*":
        return True
    assert isinstance(element, dict)
    return any(name in ("*", entity) for names in element.values() for name in as_list(names))


def reach(statement: Mapping[str, Any], request: Mapping[str, Any]) -> str:
    """ "direct", "account" or "" for the statement's principal and the one who asks."""
    asks, deny = request["principal"], statement["Effect"] == "Deny"
    element = statement.get("Principal", statement.get("NotPrincipal"))
    everyone = listed(element, "nobody at all")
    if asks is None:
        return "direct" if (everyone if "Principal" in statement else deny and not everyone) else ""
    account, arn = asks
    root = f"arn:aws:iam::{account}:root"
    account_listed = listed(element, account) or listed(element, root)
    arn_listed = listed(element, arn) or (arn == root and account_listed)
    if "Principal" in statement:
        return "direct" if arn_listed else "account" if account_listed else ""
    if deny:
        return "" if account_listed and arn_listed else "direct"
    return "" if account_listed or arn_listed else "direct"


def statements(policy: Mapping[str, Any] | None, effect: str, request: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if policy is None:
        return []
    version = policy.get("Version", "2008-10-17")
    return [s for s in as_list(policy["Statement"]) if s["Effect"] == effect and statement_matches(s, version, request)]


def evaluate(
    request: Mapping[str, Any],
    identity: Sequence[Mapping[str, Any]],
    resource: Mapping[str, Any] | None,
    boundary: Mapping[str, Any] | None = None,
    session: Mapping[str, Any] | None = None,
) -> str:
    """`request`: principal (None or (account, arn)), action, resource, context, owner."""
    asks = request["principal"]
    own_policies = [] if asks is None else [*identity, boundary, session]
    own = asks is not None and (asks[0] == request["owner"] or (request["owner"] is None and resource is None))
    root = asks is not None and asks[1].endswith(":root")
    if any(statements(policy, "Deny", request) for policy in own_policies):
        return EXPLICIT_DENY
    saved = own and root and request["action"] in ("s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy")
    if not saved and any(reach(s, request) for s in statements(resource, "Deny", request)):
        return EXPLICIT_DENY
    granted = {reach(s, request) for s in statements(resource, "Allow", request)}
    if asks is None:
        return ALLOW if "direct" in granted else IMPLICIT_DENY
    for bound in (boundary, session):
        if bound is not None and not statements(bound, "Allow", request):
            return IMPLICIT_DENY
    by_identity = root or any(statements(policy, "Allow", request) for policy in identity)
    if own:
        return ALLOW if by_identity or "direct" in granted else IMPLICIT_DENY
    return ALLOW if by_identity and granted & {"direct", "account"} else IMPLICIT_DENY
