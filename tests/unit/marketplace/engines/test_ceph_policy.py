from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from bucketry.marketplace.domain.engine_ports import Permissions, Rights
from bucketry.marketplace.engines import ceph_policy
from bucketry.marketplace.engines.ceph_policy import Access

OWNER = "arn:aws:iam:::user/broker"
ONE, TWO, THREE = (f"arn:aws:iam:::user/bucketry-{name}" for name in ("one", "three", "two"))
WRITE, READ = Rights(Permissions.WRITE_ONLY), Rights(Permissions.READ_ONLY)


def statements(access: Access) -> dict[str, dict[str, Any]]:
    document = json.loads(ceph_policy.render("bkt-a", OWNER, access))
    assert document["Version"] == "2012-10-17"
    found = {statement["Sid"]: statement for statement in document["Statement"]}
    assert len(found) == len(document["Statement"])
    return found


@pytest.mark.parametrize(
    "access",
    [
        Access(),
        Access(is_public=True),
        Access(False, {ONE: Rights()}),
        Access(True, {ONE: Rights(), TWO: READ, THREE: WRITE}),
        Access(False, {ONE: Rights(prefix="in/"), TWO: Rights(prefix="in/sub/a b"), THREE: Rights()}),
        Access(False, {ONE: Rights(source_ips=("192.0.2.7", "2001:db8::/32")), TWO: Rights()}),
        Access(False, {ONE: Rights(ends_ms=1_800_000_000_000), TWO: Rights(ends_ms=1_900_000_000_000), THREE: READ}),
        Access(True, {ONE: Rights(Permissions.READ_ONLY, "p", ("10.0.0.0/8",), 1_800_000_000_000)}),
    ],
)
def test_what_is_written_is_read_back(access: Access) -> None:
    text = ceph_policy.render("bkt-a", OWNER, access)
    assert ceph_policy.parse(text) == access
    assert ceph_policy.render("bkt-a", OWNER, ceph_policy.parse(text)) == text


def test_no_document_lets_nobody_in() -> None:
    assert ceph_policy.parse(None) == Access()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"Statement": 1}', '{"Statement": [{"Sid": "ReadOnly0Objects"}]}'])
def test_what_it_cannot_have_written_is_told(text: str) -> None:
    with pytest.raises(ValueError):
        ceph_policy.parse(text)


def test_statements_of_others_are_not_read() -> None:
    statement = {"Sid": "x", "Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"}
    assert ceph_policy.parse(json.dumps({"Statement": [statement]})) == Access()


def test_whoever_is_not_named_is_shut_out() -> None:
    everything = ["arn:aws:s3:::bkt-a", "arn:aws:s3:::bkt-a/*"]
    others = statements(Access())["Others"]
    assert (others["Effect"], others["Action"], others["Resource"]) == ("Deny", ["s3:*"], everything)
    assert others["NotPrincipal"] == {"AWS": [OWNER]}
    assert "Principal" not in others
    assert statements(Access(bindings={TWO: READ, ONE: WRITE}))["Others"]["NotPrincipal"] == {"AWS": [OWNER, ONE, TWO]}


def test_a_public_bucket_lets_all_read_objects_and_nothing_else() -> None:
    said = statements(Access(is_public=True))
    assert said["Public"]["Action"] == ["s3:GetObject"]
    assert said["Public"]["Resource"] == ["arn:aws:s3:::bkt-a/*"]
    assert "s3:GetObject" not in said["Others"]["Action"]
    assert "s3:List*" in said["Others"]["Action"]


def test_bindings_with_the_same_rights_share_statements() -> None:
    said = statements(Access(bindings={ONE: READ, TWO: READ, THREE: replace(READ, ends_ms=5_000)}))
    assert said["ReadOnly0Objects"]["Principal"] == {"AWS": [ONE, TWO, THREE]}
    assert said["End0"]["Principal"] == {"AWS": [THREE]}
    assert said["End0"]["Condition"] == {"DateGreaterThanEquals": {"aws:CurrentTime": "1970-01-01T00:00:05Z"}}


def test_what_ownership_of_objects_would_give_is_denied() -> None:
    said = statements(Access(bindings={ONE: WRITE, TWO: Rights(source_ips=("192.0.2.7",))}))
    assert said["Unread"]["Principal"] == {"AWS": [ONE]}
    assert "s3:GetObject" in said["Unread"]["Action"]
    assert said["Elsewhere0"]["Condition"] == {"NotIpAddress": {"aws:SourceIp": ["192.0.2.7"]}}
    assert said["Sharing"]["Principal"] == "*"


def test_actions_that_the_gateway_does_not_know_are_left_out() -> None:
    text = ceph_policy.render("bkt-a", OWNER, Access(bindings={ONE: Rights(), TWO: READ, THREE: WRITE}))
    assert "Attributes" not in text
    assert "NotAction" not in text


def test_ends_are_whole_seconds() -> None:
    access = Access().with_binding(ONE, Rights(ends_ms=5_999))
    assert access.has(ONE, Rights(ends_ms=5_001))
    assert not access.has(ONE, Rights())
    assert not access.has(TWO, Rights())
    assert access.without_binding(ONE) == Access()


def test_hundreds_of_bindings_fit() -> None:
    users = [f"arn:aws:iam:::user/bucketry-{number:036}" for number in range(400)]
    text = ceph_policy.render("bkt-" + "b" * 36, OWNER, Access(bindings=dict.fromkeys(users, Rights())))
    assert len(text) < ceph_policy.MOST_CHARACTERS
