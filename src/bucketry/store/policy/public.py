"""Is a bucket policy public? As GetBucketPolicyStatus answers, and as Block Public Access asks.

Follows "The meaning of public" in "Blocking public access to your Amazon S3 storage", S3 User Guide: a policy is
taken as public unless each Allow grants to fixed principals only, or is held by a condition on one of the listed keys
to fixed values, without wildcard and variable. Denials don't count. Only conditions that are false when the key is
missing hold anything: not negated, not IfExists, not ForAllValues.
"""

from __future__ import annotations

from bucketry.store.policy import values
from bucketry.store.policy.conditions import Condition
from bucketry.store.policy.language import Effect, Policy, Statement
from bucketry.store.policy.variables import parse_template

_FIXED_KEYS = frozenset(
    {
        "aws:principalaccount",
        "aws:principalarn",
        "aws:principalorgid",
        "aws:sourceaccount",
        "aws:sourcearn",
        "aws:sourceowner",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "aws:userid",
        "s3:dataaccesspointaccount",
        "s3:dataaccesspointarn",
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
    }
)
_EXACT_OPERATORS = frozenset({"StringEquals", "StringEqualsIgnoreCase"})
_LIKE_OPERATORS = frozenset({"StringLike", "ArnEquals", "ArnLike"})
_ACCESS_POINT_FIELDS = 6
_LEAST_PREFIX_BITS = {4: 8, 6: 32}
"""Ranges broader than this are the public."""


def is_public(policy: Policy) -> bool:
    """Whether a bucket policy opens the bucket to the public in the sense of Block Public Access."""
    return any(_opens(statement, policy.version) for statement in policy.statements)


def _opens(statement: Statement, version: str) -> bool:
    principals = statement.principals
    if statement.effect is Effect.DENY:
        return False
    wide = principals is None or statement.is_not_principal or principals.everyone or principals.federated
    return wide and not any(_holds(condition, statement.expands_variables) for condition in statement.conditions)


def _holds(condition: Condition, variables: bool) -> bool:
    if condition.if_exists or condition.set_prefix == "ForAllValues":
        return False
    if condition.key == "aws:sourceip":
        return condition.operator == "IpAddress" and all(map(_is_narrow, condition.listed))
    if condition.key not in _FIXED_KEYS:
        return False
    if condition.operator in _EXACT_OPERATORS or condition.operator in _LIKE_OPERATORS:
        wildcards = condition.operator in _LIKE_OPERATORS
        return all(_is_fixed(condition.key, text, variables, wildcards) for text in condition.listed)
    return False


def _is_narrow(text: str) -> bool:
    network = values.network(text)
    return network is not None and network.prefixlen >= _LEAST_PREFIX_BITS[network.version]


def _is_fixed(key: str, text: str, variables: bool, wildcards: bool) -> bool:
    if key == "s3:dataaccesspointarn" and wildcards:
        # The access point's own name may be open as long as the account is not: arn:aws:s3:REGION:ACCOUNT:accesspoint/*
        fields = text.split(":", _ACCESS_POINT_FIELDS - 1)
        text = fields[4] if len(fields) == _ACCESS_POINT_FIELDS else text
    return bool(text) and parse_template(text, variables=variables, wildcards=wildcards).is_fixed
