"""What Block Public Access takes for a public policy."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bucketry.store.policy.parser import parse_policy
from bucketry.store.policy.public import is_public


def public(*statements: dict[str, Any]) -> bool:
    filled = [
        {
            "Effect": "Allow",
            "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::bucket/*",
            "Principal": "*",
            **statement,
        }
        for statement in statements
    ]
    for statement in filled:
        if "NotPrincipal" in statement:
            del statement["Principal"]
    return is_public(parse_policy(json.dumps({"Version": "2012-10-17", "Statement": filled})))


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ({}, True),
        ({"Principal": {"AWS": "*"}}, True),
        ({"Principal": {"AWS": ["111111111111", "*"]}}, True),
        ({"Principal": {"Federated": "graph.facebook.com"}}, True),
        ({"NotPrincipal": {"AWS": "111111111111"}}, True),
        ({"Principal": {"AWS": "111111111111"}}, False),
        ({"Principal": {"AWS": "arn:aws:iam::111111111111:user/ann"}}, False),
        ({"Principal": {"CanonicalUser": "c" * 64}}, False),
        ({"Principal": {"Service": "cloudtrail.amazonaws.com"}}, False),
        ({"Effect": "Deny"}, False),
        ({"Action": "s3:PutObject"}, True),
    ],
)
def test_principals_make_a_policy_public(statement: dict[str, Any], expected: bool) -> None:
    assert public(statement) is expected


@pytest.mark.parametrize(
    ("operator", "key", "value", "expected"),
    [
        ("StringEquals", "aws:SourceVpc", "vpc-91237329", False),
        ("StringLike", "aws:SourceVpc", "vpc-91237329", False),
        ("StringLike", "aws:SourceVpc", "vpc-*", True),
        ("StringEquals", "AWS:sourcevpce", ["vpce-1", "vpce-2"], False),
        ("StringLike", "aws:SourceVpce", ["vpce-1", "vpce-?"], True),
        ("StringEquals", "aws:PrincipalOrgID", "o-abc", False),
        ("StringEquals", "aws:PrincipalOrgID", "${aws:SourceVpc}", True),
        ("StringEquals", "aws:PrincipalOrgID", "", True),
        ("StringNotEquals", "aws:PrincipalOrgID", "o-abc", True),
        ("StringEqualsIfExists", "aws:PrincipalOrgID", "o-abc", True),
        ("ForAllValues:StringEquals", "aws:PrincipalOrgID", "o-abc", True),
        ("ForAnyValue:StringEquals", "aws:PrincipalOrgID", "o-abc", False),
        ("ArnEquals", "aws:SourceArn", "arn:aws:sns:us-east-1:111111111111:topic", False),
        ("ArnLike", "aws:SourceArn", "arn:aws:sns:us-east-1:*:topic", True),
        ("ArnLike", "aws:PrincipalArn", "arn:aws:iam::111111111111:user/ann", False),
        ("StringEquals", "aws:SourceAccount", "111111111111", False),
        ("StringEquals", "aws:userid", "AIDAEXAMPLE", False),
        ("StringLike", "aws:userid", "AROAEXAMPLE:*", True),
        ("StringEquals", "s3:x-amz-server-side-encryption-aws-kms-key-id", "arn:aws:kms:x", False),
        ("ArnLike", "s3:DataAccessPointArn", "arn:aws:s3:us-west-2:123456789012:accesspoint/*", False),
        ("ArnLike", "s3:DataAccessPointArn", "arn:aws:s3:us-west-2:*:accesspoint/*", True),
        ("StringEquals", "s3:prefix", "public", True),
        ("StringEquals", "aws:Referer", "https://example.com", True),
        ("Bool", "aws:SecureTransport", "true", True),
        ("Null", "aws:SourceVpc", "false", True),
        ("IpAddress", "aws:SourceIp", "203.0.113.0/24", False),
        ("IpAddress", "aws:SourceIp", "10.0.0.0/8", False),
        ("IpAddress", "aws:SourceIp", "8.0.0.0/7", True),
        ("IpAddress", "aws:SourceIp", "0.0.0.0/1", True),
        ("IpAddress", "aws:SourceIp", ["203.0.113.0/24", "0.0.0.0/0"], True),
        ("IpAddress", "aws:SourceIp", "2001:db8::/32", False),
        ("IpAddress", "aws:SourceIp", "2001:db0::/31", True),
        ("IpAddress", "aws:SourceIp", "::ffff:0.0.0.0/96", True),
        ("IpAddressIfExists", "aws:SourceIp", "203.0.113.0/24", True),
        ("NotIpAddress", "aws:SourceIp", "203.0.113.0/24", True),
        ("StringEquals", "aws:SourceIp", "203.0.113.1", True),
    ],
)
def test_conditions_that_hold_a_wildcard_principal(operator: str, key: str, value: Any, expected: bool) -> None:
    assert public({"Condition": {operator: {key: value}}}) is expected


def test_one_public_statement_makes_the_policy_public() -> None:
    fixed = {"Principal": {"AWS": "111111111111"}}
    held = {"Condition": {"StringEquals": {"aws:SourceVpc": "vpc-1"}}}
    assert not public(fixed, held)
    assert public(fixed, held, {})
    assert not public(
        {"Condition": {"Bool": {"aws:SecureTransport": "true"}, "IpAddress": {"aws:SourceIp": "1.2.3.4"}}}
    )
    assert public({}, {"Effect": "Deny"})
