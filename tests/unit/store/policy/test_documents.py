"""What is accepted as a policy document and what is refused, element by element."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bucketry.store.policy.language import VERSION_2008, VERSION_2012, Effect
from bucketry.store.policy.malformed import MalformedPolicy, PolicyTooLarge
from bucketry.store.policy.validation import (
    BUCKET_POLICY_LIMIT_BYTES,
    MANAGED_POLICY_LIMIT_CHARACTERS,
    TRUST_POLICY_LIMIT_CHARACTERS,
    parse_bucket_policy,
    parse_identity_policy,
    policy_size_characters,
)

ALLOW = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/*"}
PUBLIC = {**ALLOW, "Principal": "*"}


def identity(document: Any, **more: Any) -> Any:
    return parse_identity_policy(document if isinstance(document, str) else json.dumps(document), **more)


def bucket(document: Any, name: str = "bucket") -> Any:
    return parse_bucket_policy(document if isinstance(document, str) else json.dumps(document), name)


def with_statement(**changes: Any) -> dict[str, Any]:
    statement = {**PUBLIC, **changes}
    return {"Version": VERSION_2012, "Statement": [{k: v for k, v in statement.items() if v is not ...}]}


def test_policy_is_read_with_all_its_elements() -> None:
    policy = bucket(
        {
            "Version": VERSION_2012,
            "Id": "my policy",
            "Statement": [
                {
                    "Sid": "One",
                    "Effect": "Deny",
                    "NotPrincipal": {"AWS": ["111111111111"]},
                    "NotAction": ["s3:GetObject", "s3:List*"],
                    "NotResource": ["arn:aws:s3:::bucket/public/*"],
                    "Condition": {"ForAnyValue:NumericLessThanIfExists": {"S3:Max-Keys": [10, "5", 1.5]}},
                },
                PUBLIC,
            ],
        }
    )
    first, second = policy.statements
    assert (policy.version, policy.policy_id) == (VERSION_2012, "my policy")
    assert (first.sid, first.effect, first.actions) == ("One", Effect.DENY, ("s3:GetObject", "s3:List*"))
    assert (first.is_not_action, first.is_not_resource, first.is_not_principal) == (True, True, True)
    (condition,) = first.conditions
    assert (condition.operator, condition.key, condition.listed) == (
        "NumericLessThan",
        "s3:max-keys",
        ("10", "5", "1.5"),
    )
    assert (condition.set_prefix, condition.if_exists) == ("ForAnyValue", True)
    assert (second.sid, second.effect, second.conditions) == (None, Effect.ALLOW, ())


def test_statement_may_stand_without_list_and_version_is_2008_by_default() -> None:
    policy = identity({"Statement": ALLOW})
    assert policy.version == VERSION_2008
    assert len(policy.statements) == 1
    assert not policy.statements[0].expands_variables
    assert identity({"Statement": ALLOW}) == policy


def test_numbers_in_conditions_keep_their_digits() -> None:
    text = json.dumps(with_statement(Condition={"NumericEquals": {"s3:max-keys": "DIGITS"}})).replace('"DIGITS"', "0.1")
    assert bucket(text).statements[0].conditions[0].listed == ("0.1",)
    huge = text.replace("0.1", "1" * 5000)
    with pytest.raises(MalformedPolicy, match="invalid number"):
        bucket(huge)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "first byte must be '{'"),
        ("[]", "first byte must be '{'"),
        ("null", "first byte must be '{'"),
        ("\ufeff{}", "first byte must be '{'"),
        ("{", "invalid Json"),
        ("{} {}", "invalid Json"),
        ('{"Statement": NaN}', "invalid Json"),
        ('{"Statement": ' + "[" * 2900 + "]" * 2900 + "}", "invalid Json|object or a list"),
        ("{}", "Missing required field Statement"),
        ('{"Statement": []}', "Statement is empty"),
        ('{"Statement": 5}', "object or a list"),
        ('{"Statement": ["x"]}', "object or a list"),
        ('{"Statement": null}', "object or a list"),
        ('{"Version": "2012-10-18", "Statement": {}}', "valid version string"),
        ('{"Version": 2012, "Statement": {}}', "valid version string"),
        ('{"Version": ["2012-10-17"], "Statement": {}}', "valid version string"),
        ('{"Id": 5, "Statement": {}}', "Id must be a string"),
        ('{"version": "2012-10-17", "Statement": {}}', "Unknown field version"),
        ('{"Statement": {}, "Statement": {}}', "Duplicate field Statement"),
        ('{"Statement": {"Effect": "Deny", "Effect": "Allow"}}', "Duplicate field Effect"),
        ('{"\\ud800": 1, "Statement": {}}', r"Unknown field \\ud800"),
    ],
)
def test_document_is_refused(text: str, message: str) -> None:
    for parse in (identity, bucket):
        with pytest.raises(MalformedPolicy, match=message) as caught:
            parse(text)
        caught.value.message.encode("ascii")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Effect": ...}, "Missing required field Effect"),
        ({"Effect": "allow"}, "Invalid effect: allow"),
        ({"Effect": ["Allow"]}, "Invalid effect"),
        ({"Effect": None}, "Invalid effect"),
        ({"Action": ...}, "Missing required field Action"),
        ({"Action": []}, "Missing required field Action"),
        ({"Action": 5}, "Action must be a string"),
        ({"Action": ["s3:GetObject", None]}, "Action must be a string"),
        ({"NotAction": "s3:GetObject"}, "both Action and NotAction"),
        ({"Resource": ...}, "Missing required field Resource"),
        ({"Resource": []}, "Missing required field Resource"),
        ({"Resource": {}}, "Resource must be a string"),
        ({"NotResource": "arn:aws:s3:::bucket"}, "both Resource and NotResource"),
        ({"NotPrincipal": "*"}, "both Principal and NotPrincipal"),
        ({"Principals": "*"}, "Unknown field Principals"),
        ({"Sid": 5}, "Sid must be a string"),
        ({"Condition": []}, "Condition must be an object"),
        ({"Condition": None}, "Condition must be an object"),
        ({"Condition": {"StringEquals": []}}, "StringEquals must be an object"),
        ({"Condition": {"StringEquals": {}}}, "must name a condition key"),
        ({"Condition": {"StringEquals": {"prefix": "a"}}}, "invalid condition key - prefix"),
        ({"Condition": {"StringEquals": {"s3:": "a"}}}, "invalid condition key"),
        ({"Condition": {"StringEquals": {"s3:prefix": []}}}, "must have a value"),
        ({"Condition": {"StringEquals": {"s3:prefix": None}}}, "must be strings, numbers or Booleans"),
        ({"Condition": {"StringEquals": {"s3:prefix": {"a": "b"}}}}, "must be strings, numbers or Booleans"),
        ({"Condition": {"StringEquals": {"s3:prefix": [["a"]]}}}, "must be strings, numbers or Booleans"),
        ({"Condition": {"StringSame": {"s3:prefix": "a"}}}, "Invalid Condition type : StringSame"),
        ({"Resource": "arn:aws:s3:::bucket/${aws:username"}, "invalid policy variable"),
        ({"Principal": ...}, "Missing required field Principal"),
        ({"Action": "iam:CreateUser"}, "Policy has invalid action: iam:CreateUser"),
        ({"Action": "GetObject"}, "Policy has invalid action"),
        ({"Action": "s3:"}, "Policy has invalid action"),
        ({"Action": "s3:Get Object"}, "Policy has invalid action"),
        ({"Action": "*:GetObject"}, "Policy has invalid action"),
        ({"Resource": "*"}, "Policy has invalid resource"),
        ({"Resource": "bucket/*"}, "Policy has invalid resource"),
        ({"Resource": "arn:aws:s3:::other/*"}, "Policy has invalid resource"),
        ({"Resource": "arn:aws:s3:::bucket2/*"}, "Policy has invalid resource"),
        ({"Resource": "arn:aws:s3:::Bucket/*"}, "Policy has invalid resource"),
        ({"Resource": ["arn:aws:s3:::bucket/*", "arn:aws:s3:::other"]}, "Policy has invalid resource"),
        ({"Resource": "arn:aws:s3:us-east-1:111111111111:bucket/*"}, "Policy has invalid resource"),
        ({"Resource": "arn:aws:sqs:::bucket/*"}, "Policy has invalid resource"),
        ({"Resource": "arn:aws:s3:::bucket"}, "Action does not apply to any resource"),
        ({"Action": "s3:ListBucket"}, "Action does not apply to any resource"),
        ({"Action": ["s3:GetObject", "s3:ListBucket"]}, "Action does not apply to any resource"),
    ],
)
def test_statement_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(MalformedPolicy, match=message):
        bucket(with_statement(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"Resource": "arn:aws:s3:::bucket/a/b?c"},
        {"Resource": "arn:aws-us-gov:s3:::bucket/*"},
        {"Resource": "arn:aws-cn:s3:::bucket/*"},
        {"Resource": ["arn:aws:s3:::bucket", "arn:aws:s3:::bucket/*"]},
        {"Resource": "arn:aws:s3:::bucket*"},
        {"Resource": ["arn:aws:s3:::*", "arn:aws:s3:::*/*"]},
        {"Resource": "arn:aws:s3:::bucket/${aws:username}/*"},
        {"Resource": ..., "NotResource": "arn:aws:s3:::bucket/x"},
        {"Action": ..., "NotAction": "s3:GetObject"},
        {"Action": "*"},
        {"Action": "s3:*", "Resource": "arn:aws:s3:::bucket"},
        {"Action": "S3:getobject"},
        {"Action": "s3:GetObjectTorrent", "Resource": "arn:aws:s3:::bucket"},
        {"Action": ["s3:GetObject", "s3:ListBucket"], "Resource": ["arn:aws:s3:::bucket", "arn:aws:s3:::bucket/*"]},
        {"Condition": {}},
        {"Condition": {"Bool": {"aws:SecureTransport": False}}},
        {"Sid": "with spaces, as S3 allows"},
        {"Sid": ""},
    ],
)
def test_bucket_statement_is_accepted(changes: dict[str, Any]) -> None:
    assert len(bucket(with_statement(**changes)).statements) == 1


def test_statement_ids_are_unique_in_a_policy() -> None:
    two = {"Statement": [{**PUBLIC, "Sid": "A"}, {**PUBLIC, "Sid": "A"}]}
    with pytest.raises(MalformedPolicy, match=r"\(SID\) in a single policy must be unique"):
        bucket(two)


def test_wildcards_in_the_bucket_name_do_not_reach_other_buckets() -> None:
    document = with_statement(Resource="arn:aws:s3:::*/*")
    for name in ("bucket", "another"):
        assert bucket(document, name).statements
    with pytest.raises(MalformedPolicy, match="invalid resource"):
        bucket(with_statement(Resource="arn:aws:s3:::b*/*"), "another")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Principal": "*"}, "should not specify a principal"),
        ({"NotPrincipal": "*"}, "should not specify a principal"),
        ({"Sid": "not alphanumeric"}, "must be alpha-numeric"),
        ({"Action": "GetObject"}, "must name a service"),
        ({"Action": "s3:"}, "must name a service"),
        ({"Action": "s*:GetObject"}, "must name a service"),
        ({"Resource": "bucket/*"}, 'must be in ARN format or "\\*"'),
        ({"Resource": "arn:aws:s3"}, "must be in ARN format"),
        ({"Resource": "arn:aws:s3:::${aws:username"}, "invalid policy variable"),
        ({"Resource": "arn:aws:s3:${aws:region}:${a:b}"}, "must be in ARN format"),
        ({"Resource": "arn:aws:s3:${aws:region}::bucket"}, "last part of an ARN"),
    ],
)
def test_identity_statement_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(MalformedPolicy, match=message):
        identity({"Version": VERSION_2012, "Statement": {**ALLOW, **changes}})


@pytest.mark.parametrize(
    "changes",
    [
        {"Action": "*", "Resource": "*"},
        {"Action": ["iam:*AccessKey*", "s3:?etObject"], "Resource": "arn:aws:iam::111111111111:user/${aws:username}"},
        {"Resource": "arn:*:s3:::*"},
        {"Resource": "arn:aws:sqs:us-east-2:*:${aws:username}-queue"},
        {"Sid": "Abc123"},
    ],
)
def test_identity_statement_is_accepted(changes: dict[str, Any]) -> None:
    assert identity({"Version": VERSION_2012, "Statement": {**ALLOW, **changes}}).statements


def test_bucket_policy_has_a_size_limit_in_bytes() -> None:
    text = json.dumps({"Statement": PUBLIC, "Id": ""})
    fits = text.replace('"Id": ""', '"Id": "' + "x" * (BUCKET_POLICY_LIMIT_BYTES - len(text)) + '"')
    assert bucket(fits).statements
    for larger in (fits + " ", fits.replace("xx", "é€", 1)):
        with pytest.raises(PolicyTooLarge, match="limit of 20480 bytes"):
            bucket(larger)


@pytest.mark.parametrize("limit", [TRUST_POLICY_LIMIT_CHARACTERS, MANAGED_POLICY_LIMIT_CHARACTERS])
def test_identity_policy_has_a_size_limit_that_ignores_white_space(limit: int) -> None:
    base = json.dumps({"Statement": ALLOW, "Id": ""})
    text = base.replace('"Id": ""', '"Id": "' + "é" * (limit - policy_size_characters(base)) + '"')
    assert policy_size_characters(text) == limit
    assert identity(text + " \n\t" * 100, limit_characters=limit).statements
    with pytest.raises(PolicyTooLarge, match=f"limit of {limit} characters"):
        identity(text.replace("é", "éé", 1), limit_characters=limit)


def test_same_text_gives_equal_policies() -> None:
    assert bucket(with_statement()) == bucket(with_statement())
    assert bucket(with_statement()) != bucket(with_statement(Effect="Deny"))
