"""The decision: whose policies count, what wins, and what each side must have said."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import pytest

from bucketry.store.policy.evaluator import (
    ANONYMOUS,
    AccessRequest,
    Decision,
    Principal,
    evaluate,
    identity_allows,
    nothing_forbids,
    resource_allows,
)
from bucketry.store.policy.language import DENY_EVERYTHING, Policy
from bucketry.store.policy.parser import parse_policy

ONE, TWO = "111111111111", "222222222222"
KEY = "arn:aws:s3:::bucket/key"
ROOT = Principal(ONE, f"arn:aws:iam::{ONE}:root", "c" * 64, True)
ANN = Principal(ONE, f"arn:aws:iam::{ONE}:user/ann", "c" * 64, False)
OTHER_ROOT = Principal(TWO, f"arn:aws:iam::{TWO}:root", "d" * 64, True)
OTHER = Principal(TWO, f"arn:aws:iam::{TWO}:user/zoe", "d" * 64, False)
ALLOW, DENY, NOTHING = Decision.ALLOW, Decision.EXPLICIT_DENY, Decision.IMPLICIT_DENY


def policy(*statements: Mapping[str, Any]) -> Policy:
    filled = [{"Action": "s3:*", "Resource": "*", **statement} for statement in statements]
    return parse_policy(json.dumps({"Version": "2012-10-17", "Statement": filled}))


ALLOWS = policy({"Effect": "Allow"})
DENIES = policy({"Effect": "Deny"})
SILENT = policy({"Effect": "Allow", "Action": "s3:DeleteBucket"})
MIXED = policy({"Effect": "Allow"}, {"Effect": "Deny", "Action": "s3:Get*"})


def to(principal: Any, effect: str = "Allow", **more: Any) -> Policy:
    return policy({"Effect": effect, "Principal": principal, **more})


PUBLIC = to("*")
TO_ONE, TO_ANN = to({"AWS": ONE}), to({"AWS": f"arn:aws:iam::{ONE}:user/ann"})
TO_TWO, TO_OTHER = to({"AWS": TWO}), to({"AWS": f"arn:aws:iam::{TWO}:user/zoe"})
DENY_ALL = to("*", "Deny")


def ask(
    principal: Principal, action: str = "s3:GetObject", resource: str = KEY, owner: str | None = ONE, **context: Any
) -> AccessRequest:
    return AccessRequest(principal, action, resource, context, owner)


@pytest.mark.parametrize(
    ("principal", "identity", "resource", "expected"),
    [
        # a user, own account
        (ANN, [], None, NOTHING),
        (ANN, [ALLOWS], None, ALLOW),
        (ANN, [SILENT], None, NOTHING),
        (ANN, [SILENT, ALLOWS], None, ALLOW),
        (ANN, [ALLOWS, DENIES], None, DENY),
        (ANN, [MIXED], None, DENY),
        (ANN, [], PUBLIC, ALLOW),
        (ANN, [], TO_ANN, ALLOW),
        (ANN, [], TO_ONE, NOTHING),
        (ANN, [ALLOWS], TO_ONE, ALLOW),
        (ANN, [], TO_OTHER, NOTHING),
        (ANN, [DENIES], PUBLIC, DENY),
        (ANN, [ALLOWS], DENY_ALL, DENY),
        (ANN, [ALLOWS], to({"AWS": ONE}, "Deny"), DENY),
        (ANN, [ALLOWS], to({"AWS": TWO}, "Deny"), ALLOW),
        (ANN, [], policy({"Effect": "Allow", "Principal": {"AWS": ONE}}, {"Effect": "Allow", "Principal": "*"}), ALLOW),
        (ANN, [], policy({"Effect": "Allow", "NotPrincipal": {"AWS": TWO}}), ALLOW),
        (ANN, [], policy({"Effect": "Allow", "NotPrincipal": {"AWS": ONE}}), NOTHING),
        # the root, own account
        (ROOT, [], None, ALLOW),
        (ROOT, [], TO_OTHER, ALLOW),
        (ROOT, [], DENY_ALL, DENY),
        (ROOT, [], to({"AWS": ONE}, "Deny"), DENY),
        (ROOT, [], to({"AWS": f"arn:aws:iam::{ONE}:user/ann"}, "Deny"), ALLOW),
        # a user of another account
        (OTHER, [], None, NOTHING),
        (OTHER, [ALLOWS], None, NOTHING),
        (OTHER, [], TO_OTHER, NOTHING),
        (OTHER, [], PUBLIC, NOTHING),
        (OTHER, [ALLOWS], TO_OTHER, ALLOW),
        (OTHER, [ALLOWS], TO_TWO, ALLOW),
        (OTHER, [ALLOWS], PUBLIC, ALLOW),
        (OTHER, [ALLOWS], TO_ONE, NOTHING),
        (OTHER, [ALLOWS, DENIES], PUBLIC, DENY),
        (OTHER, [ALLOWS], DENY_ALL, DENY),
        # the root of another account
        (OTHER_ROOT, [], None, NOTHING),
        (OTHER_ROOT, [], TO_TWO, ALLOW),
        (OTHER_ROOT, [], PUBLIC, ALLOW),
        (OTHER_ROOT, [], TO_OTHER, NOTHING),
        (OTHER_ROOT, [], to({"CanonicalUser": "d" * 64}), ALLOW),
        # nobody signed
        (ANONYMOUS, [], None, NOTHING),
        (ANONYMOUS, [ALLOWS], None, NOTHING),
        (ANONYMOUS, [], PUBLIC, ALLOW),
        (ANONYMOUS, [], to({"AWS": "*"}), ALLOW),
        (ANONYMOUS, [], TO_ONE, NOTHING),
        (ANONYMOUS, [], policy({"Effect": "Allow", "NotPrincipal": {"AWS": TWO}}), NOTHING),
        (
            ANONYMOUS,
            [],
            policy({"Effect": "Allow", "Principal": "*"}, {"Effect": "Deny", "NotPrincipal": {"AWS": TWO}}),
            DENY,
        ),
        (ANONYMOUS, [], DENY_ALL, DENY),
        # policies that cannot be read
        (ANN, [ALLOWS, None], None, DENY),
        (ANN, [None], PUBLIC, DENY),
        (ANN, [ALLOWS], DENY_EVERYTHING, DENY),
        (ROOT, [], DENY_EVERYTHING, DENY),
        (ANONYMOUS, [], DENY_EVERYTHING, DENY),
        # a policy without principals as a bucket policy grants nobody
        (ANN, [], ALLOWS, NOTHING),
        (ANONYMOUS, [], ALLOWS, NOTHING),
    ],
)
def test_decision(
    principal: Principal, identity: list[Policy | None], resource: Policy | None, expected: Decision
) -> None:
    assert evaluate(ask(principal), identity, resource) is expected


@pytest.mark.parametrize(
    ("boundary", "session", "expected"),
    [
        (None, None, ALLOW),
        (ALLOWS, None, ALLOW),
        (None, ALLOWS, ALLOW),
        (ALLOWS, ALLOWS, ALLOW),
        (SILENT, None, NOTHING),
        (None, SILENT, NOTHING),
        (ALLOWS, SILENT, NOTHING),
        (MIXED, None, DENY),
        (None, DENIES, DENY),
    ],
)
@pytest.mark.parametrize("resource", [None, PUBLIC, TO_ANN])
def test_boundary_and_session_policy_bound(
    boundary: Policy | None, session: Policy | None, expected: Decision, resource: Policy | None
) -> None:
    assert evaluate(ask(ANN), [ALLOWS], resource, boundary, session) is expected
    assert identity_allows(ask(ANN), [ALLOWS], boundary, session) is (expected is ALLOW)


def test_boundary_and_session_policy_grant_nothing() -> None:
    assert evaluate(ask(ANN), [], None, ALLOWS, ALLOWS) is NOTHING
    assert evaluate(ask(ROOT), [], None, None, SILENT) is NOTHING


@pytest.mark.parametrize(
    "action", ["s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy", "S3:putbucketpolicy"]
)
def test_root_can_always_mend_the_bucket_policy(action: str) -> None:
    for broken in (DENY_ALL, DENY_EVERYTHING):
        assert evaluate(ask(ROOT, action, "arn:aws:s3:::bucket"), [], broken) is ALLOW
        assert evaluate(ask(ANN, action, "arn:aws:s3:::bucket"), [ALLOWS], broken) is DENY
        assert evaluate(ask(OTHER_ROOT, action, "arn:aws:s3:::bucket"), [], broken) is DENY
    assert evaluate(ask(ROOT, "s3:GetBucketPolicyStatus", "arn:aws:s3:::bucket"), [], DENY_ALL) is DENY
    assert evaluate(ask(ROOT, action, "arn:aws:s3:::bucket"), [], DENY_ALL, None, DENIES) is DENY


def test_what_has_no_owner_is_the_callers_own_unless_a_policy_says_more() -> None:
    assert evaluate(ask(ANN, "s3:CreateBucket", owner=None), [ALLOWS], None) is ALLOW
    assert evaluate(ask(ANN, "s3:CreateBucket", owner=None), [], None) is NOTHING
    assert evaluate(ask(ROOT, "s3:ListAllMyBuckets", "*", owner=None), [], None) is ALLOW
    assert evaluate(ask(ANONYMOUS, "s3:ListAllMyBuckets", "*", owner=None), [], None) is NOTHING
    assert evaluate(ask(ANN, owner=None), [], PUBLIC) is NOTHING
    assert evaluate(ask(ANN, owner=None), [ALLOWS], PUBLIC) is ALLOW


def test_iam_actions_are_decided_by_the_same_rules() -> None:
    own = policy(
        {"Effect": "Allow", "Action": "iam:*AccessKey", "Resource": f"arn:aws:iam::{ONE}:user/${{aws:username}}"}
    )

    def decide(action: str, user: str) -> Decision:
        request = AccessRequest(ANN, action, f"arn:aws:iam::{ONE}:user/{user}", {"aws:username": "ann"}, ONE)
        return evaluate(request, [own], None)

    assert decide("iam:CreateAccessKey", "ann") is ALLOW
    assert decide("iam:CreateAccessKey", "bob") is NOTHING
    assert decide("iam:CreateUser", "ann") is NOTHING
    assert evaluate(ask(ROOT, "iam:CreateUser", f"arn:aws:iam::{ONE}:user/x"), [], None) is ALLOW
    assert evaluate(ask(OTHER_ROOT, "iam:CreateUser", f"arn:aws:iam::{ONE}:user/x"), [], None) is NOTHING


def test_halves_for_acls() -> None:
    assert identity_allows(ask(OTHER), [ALLOWS])
    assert not identity_allows(ask(OTHER), [])
    assert not identity_allows(ask(OTHER), [ALLOWS, None])
    assert not identity_allows(ask(OTHER), [MIXED])
    assert identity_allows(ask(OTHER_ROOT), [])
    assert not identity_allows(ask(OTHER_ROOT), [], DENIES)
    assert not identity_allows(ask(ANONYMOUS), [ALLOWS])
    assert nothing_forbids(ask(ANN), [])
    assert nothing_forbids(ask(ANONYMOUS), [])
    assert not nothing_forbids(ask(ANN), [DENIES])
    assert not nothing_forbids(ask(ANN), [None])
    assert not nothing_forbids(ask(ANN), [], SILENT)
    assert not nothing_forbids(ask(ANN), [], None, SILENT)
    assert nothing_forbids(ask(ANN), [], ALLOWS, ALLOWS)
    assert resource_allows(ask(OTHER), TO_TWO)
    assert not resource_allows(ask(OTHER), TO_ONE)
    assert not resource_allows(ask(OTHER), None)
    assert not resource_allows(
        ask(OTHER), policy({"Effect": "Allow", "Principal": "*"}, {"Effect": "Deny", "Principal": "*"})
    )


@pytest.mark.parametrize(
    ("listed", "action", "covered"),
    [
        ({"Action": "s3:GetObject"}, "s3:GetObject", True),
        ({"Action": "S3:GETOBJECT"}, "s3:GetObject", True),
        ({"Action": "s3:GetObject"}, "s3:GetObjectVersion", False),
        ({"Action": "s3:Get*"}, "s3:GetObjectVersion", True),
        ({"Action": ["s3:Put*", "*"]}, "s3:GetObject", True),
        ({"Action": "iam:*"}, "s3:GetObject", False),
        ({"Action": "s3:?etObject"}, "s3:GetObject", True),
        ({"NotAction": "s3:Get*"}, "s3:GetObject", False),
        ({"NotAction": "s3:get*"}, "s3:PutObject", True),
        ({"NotAction": "s3:*"}, "iam:CreateUser", True),
        ({"NotAction": ["s3:Put*", "s3:Get*"]}, "s3:GetObject", False),
    ],
)
def test_action(listed: dict[str, Any], action: str, covered: bool) -> None:
    document = {"Statement": {"Effect": "Allow", "Resource": "*", **listed}}
    request = ask(ANN, action)
    assert evaluate(request, [parse_policy(json.dumps(document))], None) is (ALLOW if covered else NOTHING)


@pytest.mark.parametrize(
    ("listed", "resource", "reached"),
    [
        ({"Resource": "*"}, KEY, True),
        ({"Resource": KEY}, KEY, True),
        ({"Resource": "arn:aws:s3:::bucket/KEY"}, KEY, False),
        ({"Resource": "arn:aws:s3:::bucket/*"}, "arn:aws:s3:::bucket/a/b/c", True),
        ({"Resource": "arn:aws:s3:::bucket/*"}, "arn:aws:s3:::bucket", False),
        ({"Resource": "arn:aws:s3:::bucket"}, KEY, False),
        ({"Resource": "arn:aws:s3:::bucket*"}, "arn:aws:s3:::bucket2/x", True),
        ({"Resource": "arn:aws:s3:::*/x"}, "arn:aws:s3:::bucket/y/x", True),
        ({"Resource": "arn:aws:s3:::bucket/a?c/*"}, "arn:aws:s3:::bucket/abc/x", True),
        ({"Resource": "arn:aws:s3:::bucket/a?c/*"}, "arn:aws:s3:::bucket/ac/x", False),
        ({"Resource": "arn:*:s3:::bucket/*"}, KEY, True),
        ({"Resource": "arn:aws-us-gov:s3:::bucket/*"}, KEY, True),
        ({"Resource": "arn:aws:iam::*"}, f"arn:aws:iam::{ONE}:user/ann", True),
        ({"NotResource": "arn:aws:s3:::bucket/secret/*"}, KEY, True),
        ({"NotResource": "arn:aws:s3:::bucket/secret/*"}, "arn:aws:s3:::bucket/secret/x", False),
        ({"NotResource": [KEY, "arn:aws:s3:::bucket"]}, "arn:aws:s3:::bucket", False),
    ],
)
def test_resource(listed: dict[str, Any], resource: str, reached: bool) -> None:
    document = {"Statement": {"Effect": "Allow", "Action": "*", **listed}}
    request = ask(ANN, resource=resource)
    assert evaluate(request, [parse_policy(json.dumps(document))], None) is (ALLOW if reached else NOTHING)


def test_all_conditions_of_a_statement_must_hold() -> None:
    both = policy(
        {
            "Effect": "Allow",
            "Condition": {
                "StringEquals": {"s3:prefix": ["a", "b"], "aws:username": "ann"},
                "IpAddress": {"aws:SourceIp": "10.0.0.0/8"},
            },
        }
    )
    good = {"s3:prefix": "b", "aws:username": "ann", "aws:sourceip": "10.0.0.1"}
    assert evaluate(ask(ANN, **good), [both], None) is ALLOW
    for key, value in (("s3:prefix", "c"), ("aws:username", "bob"), ("aws:sourceip", "11.0.0.1")):
        assert evaluate(ask(ANN, **{**good, key: value}), [both], None) is NOTHING


def test_what_cannot_be_decided_is_decided_against_the_caller() -> None:
    limit = {"NumericLessThan": {"s3:max-keys": "10"}}
    allows = policy({"Effect": "Allow", "Condition": limit})
    denies = policy({"Effect": "Allow"}, {"Effect": "Deny", "Condition": limit})
    assert evaluate(ask(ANN, **{"s3:max-keys": "5"}), [allows], None) is ALLOW
    assert evaluate(ask(ANN, **{"s3:max-keys": "five"}), [allows], None) is NOTHING
    assert evaluate(ask(ANN, **{"s3:max-keys": "50"}), [denies], None) is ALLOW
    assert evaluate(ask(ANN, **{"s3:max-keys": "five"}), [denies], None) is DENY


def test_many_different_actions_do_not_fill_memory() -> None:
    for number in range(2000):
        assert evaluate(ask(ANN, f"s3:Get{number}"), [ALLOWS], None) is ALLOW
    assert len(ALLOWS._selections) <= 512


def test_a_usual_decision_takes_microseconds() -> None:
    usual = policy(
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject", "s3:*Tagging"],
            "Resource": "arn:aws:s3:::bucket/*",
        },
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::bucket"},
        {"Effect": "Deny", "Condition": {"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}},
    )
    request = ask(ANN, **{"aws:sourceip": "10.1.2.3"})
    best = float("inf")
    for _ in range(5):
        start = time.process_time()
        for _ in range(2000):
            evaluate(request, [usual], None)
        best = min(best, (time.process_time() - start) / 2000)
    assert best < 50e-6  # about 3 µs on an idle machine; the margin is for a busy one
