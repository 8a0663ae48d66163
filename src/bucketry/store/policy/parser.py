"""From JSON text to statements: the grammar that all kinds of policy share, strictly.

Unknown elements, repeated keys, wrong types and empty lists are refused, since a policy that is read otherwise than
it was meant is a hole. The messages are AWS's where AWS has one. What differs between bucket and identity policies is
in `validation`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NoReturn

from bucketry.store.policy.conditions import Condition, parse_condition
from bucketry.store.policy.language import VERSION_2008, VERSION_2012, Effect, Policy, Statement
from bucketry.store.policy.malformed import MalformedPolicy, shown
from bucketry.store.policy.principals import parse_principals

_POLICY_ELEMENTS = frozenset({"Version", "Id", "Statement"})
_STATEMENT_ELEMENTS = frozenset(
    {
        *("Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction"),
        *("Resource", "NotResource", "Condition"),
    }
)


class _Number(str):
    """A JSON number, as written: conditions compare it exactly, and nothing else may be one."""

    __slots__ = ()


def parse_policy(text: str, *, has_resources: bool = True) -> Policy:
    """Parse a policy document of any kind. Without `has_resources` it says nothing of resources, as the trust policy of
    a role, whose statements are about that role. Raises MalformedPolicy.
    """
    document = _read_json(text)
    _only(document, _POLICY_ELEMENTS)
    version = document.get("Version", VERSION_2008)
    if version not in (VERSION_2008, VERSION_2012):
        raise MalformedPolicy("The policy must contain a valid version string")
    policy_id = _optional_text(document, "Id")
    if "Statement" not in document:
        raise MalformedPolicy("Missing required field Statement")
    listed = document["Statement"]
    entries = listed if isinstance(listed, list) else [listed]
    if not entries:
        raise MalformedPolicy("Could not parse the policy: Statement is empty!")
    statements = tuple(_parse_statement(entry, version == VERSION_2012, has_resources) for entry in entries)
    sids = [statement.sid for statement in statements if statement.sid]
    if len(set(sids)) != len(sids):
        raise MalformedPolicy("Statement IDs (SID) in a single policy must be unique.")
    return Policy(version=version, statements=statements, policy_id=policy_id)


def _read_json(text: str) -> dict[str, object]:
    if not text.lstrip(" \t\r\n").startswith("{"):
        raise MalformedPolicy("Policies must be valid JSON and the first byte must be '{'")
    try:
        document = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_refuse, parse_int=_Number, parse_float=_Number
        )
    except MalformedPolicy:
        raise
    except (ValueError, RecursionError):
        raise MalformedPolicy("This policy contains invalid Json") from None
    assert isinstance(document, dict)
    return document


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for place, key in enumerate(keys) if key in keys[:place])
        raise MalformedPolicy(f"Duplicate field {shown(repeated)}")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _only(found: dict[str, object], known: frozenset[str]) -> None:
    for name in found:
        if name not in known:
            raise MalformedPolicy(f"Unknown field {shown(name)}")


def _optional_text(found: dict[str, object], name: str) -> str | None:
    if name not in found:
        return None
    value = found[name]
    if type(value) is not str:
        raise MalformedPolicy(f"{name} must be a string")
    return value


def _parse_statement(entry: object, variables: bool, has_resources: bool) -> Statement:
    if not isinstance(entry, dict):
        raise MalformedPolicy("Statement must be an object or a list of objects")
    _only(entry, _STATEMENT_ELEMENTS)
    effect = _parse_effect(entry)
    actions, is_not_action = _either(entry, "Action", "NotAction")
    if has_resources:
        resources, is_not_resource = _either(entry, "Resource", "NotResource")
    else:
        if "Resource" in entry or "NotResource" in entry:
            raise MalformedPolicy("Has prohibited field Resource")
        resources, is_not_resource = ("*",), False
    principals, is_not_principal = None, "NotPrincipal" in entry
    if is_not_principal and "Principal" in entry:
        raise MalformedPolicy("Statement must not contain both Principal and NotPrincipal")
    if is_not_principal or "Principal" in entry:
        principals = parse_principals(entry["NotPrincipal" if is_not_principal else "Principal"])
    return Statement(
        effect=effect,
        actions=actions,
        resources=resources,
        principals=principals,
        conditions=_parse_conditions(entry.get("Condition", {}), variables, effect is Effect.DENY),
        sid=_optional_text(entry, "Sid"),
        is_not_action=is_not_action,
        is_not_resource=is_not_resource,
        is_not_principal=is_not_principal,
        expands_variables=variables,
    )


def _parse_effect(entry: dict[str, object]) -> Effect:
    if "Effect" not in entry:
        raise MalformedPolicy("Missing required field Effect")
    value = entry["Effect"]
    if value == "Allow":
        return Effect.ALLOW
    if value == "Deny":
        return Effect.DENY
    raise MalformedPolicy(f"Invalid effect: {shown(str(value))}")


def _either(entry: dict[str, object], name: str, negated: str) -> tuple[tuple[str, ...], bool]:
    if name in entry and negated in entry:
        raise MalformedPolicy(f"Statement must not contain both {name} and {negated}")
    if name not in entry and negated not in entry:
        raise MalformedPolicy(f"Missing required field {name}")
    used = negated if negated in entry else name
    value = entry[used]
    listed = value if isinstance(value, list) else [value]
    if not listed:
        raise MalformedPolicy(f"Missing required field {used}")
    if any(type(each) is not str for each in listed):
        raise MalformedPolicy(f"{used} must be a string or a list of strings")
    return tuple(listed), used == negated


def _parse_conditions(block: object, variables: bool, deny: bool) -> tuple[Condition, ...]:
    conditions: list[Condition] = []
    for name, keys in _mapping(block, "Condition").items():
        pairs = _mapping(keys, name)
        if not pairs:
            raise MalformedPolicy(f"Condition {shown(name)} must name a condition key")
        for key, value in pairs.items():
            prefix, colon, rest = key.partition(":")
            if not prefix or not colon or not rest:
                raise MalformedPolicy(f"Policy has an invalid condition key - {shown(key)}")
            conditions.append(parse_condition(name, key, _listed(key, value), variables=variables, deny=deny))
    return tuple(conditions)


def _mapping(value: object, name: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise MalformedPolicy(f"{shown(name)} must be an object")
    return value


def _listed(key: str, value: object) -> tuple[str, ...]:
    listed: Sequence[object] = value if isinstance(value, list) else [value]
    if not listed:
        raise MalformedPolicy(f"Condition key {shown(key)} must have a value")
    texts: list[str] = []
    for each in listed:
        if isinstance(each, bool):
            texts.append("true" if each else "false")
        elif isinstance(each, str):
            texts.append(str(each))
        else:
            raise MalformedPolicy(f"Values of condition key {shown(key)} must be strings, numbers or Booleans")
    return tuple(texts)
